// A browser for the tests: JSON lines in, JSON lines out. {"open": URL} opens a page; {"read": SELECTOR} says what stands there,
// {"read": SELECTOR, "until": TEXT} once it has this in it; each answer has what the browser complained about.
//     node page.mjs FOLDER_WITH_MODULES CHROMIUM
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const [folder, executablePath] = process.argv.slice(2)
const { chromium } = createRequire(`${folder}/`)('playwright-core')
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
const page = await browser.newPage()
const complaints = []
page.on('console', message => complaints.push(message.text()))
page.on('pageerror', error => complaints.push(String(error)))

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  let answer
  try {
    if (asked.open) {
      await page.goto(asked.open)
      answer = {}
    } else {
      const found = page.locator(asked.read)
      if (asked.until) await page.locator(asked.read, { hasText: asked.until }).waitFor({ timeout: 15000 })
      answer = { text: await found.innerText() }
    }
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify({ ...answer, complaints }) + '\n')
}
await browser.close()
