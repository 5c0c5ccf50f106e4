// A phone's browser for the tests: JSON lines in, JSON lines out. {"open": URL, "language": TAG} opens the page, and says what
// stands there, what its code says to a camera, and what the browser complained about; {"until": TEXT} waits until the
// page's status reads so.  node payer.mjs FOLDER_WITH_MODULES CHROMIUM
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const [folder, executablePath] = process.argv.slice(2)
const modules = createRequire(`${folder}/`)
const { chromium, devices } = modules('playwright-core')
const { PNG } = modules('pngjs')
const jsqr = modules('jsqr')

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
let page, complaints, requested

async function look() {
  const screen = PNG.sync.read(await page.screenshot())
  const code = jsqr(new Uint8ClampedArray(screen.data), screen.width, screen.height)
  const button = page.locator('main a')
  return {
    code: code && code.data, complaints, requested, title: await page.title(),
    status: await page.locator('[role=status]').innerText(), text: await page.locator('main').innerText(),
    button: await button.count() ? { label: await button.innerText(), url: await button.getAttribute('href') } : null,
    fits: await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  let answer
  try {
    if (asked.open) {
      const context = await browser.newContext({ ...devices['iPhone 13'], defaultBrowserType: undefined, locale: asked.language ?? 'en' })
      page = await context.newPage()
      complaints = []
      requested = []
      page.on('console', message => complaints.push(message.text()))
      page.on('pageerror', error => complaints.push(String(error)))
      page.on('request', request => requested.push(request.url()))
      await page.goto(asked.open)
    } else {
      await page.locator('[role=status]', { hasText: asked.until }).waitFor({ timeout: 15000 })
    }
    answer = await look()
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
await browser.close()
