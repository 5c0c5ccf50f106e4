// Serves live.html, and passes on what the page listens to: what a shop's own server does, so that its payers' browsers
// need no token. It is here, where the shop knows who asks, that it decides who may listen to which order.
//
//     RECHARGE_URL=http://127.0.0.1:8080 [RECHARGE_TOKEN=…] node tools/examples/live_page.mjs [PORT]
import { readFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'

const recharge = new URL(process.env.RECHARGE_URL ?? 'http://127.0.0.1:8080')
const authorization = process.env.RECHARGE_TOKEN ? { authorization: `Bearer ${process.env.RECHARGE_TOKEN}` } : {}
const page = readFileSync(new URL('live.html', import.meta.url))

const mayListen = path => /^\/api\/(orders|accounts)\/[^/]+\/events$/.test(path) || path === '/api/ws'  // ask your session

const server = createServer((asked, reply) => {
  const { pathname } = new URL(asked.url, 'http://shop')
  if (pathname === '/live.html') return reply.setHeader('Content-Type', 'text/html; charset=utf-8').end(page)
  if (asked.method !== 'GET' || !mayListen(pathname)) return reply.writeHead(404).end()
  const passed = request(new URL(asked.url, recharge), { headers: { ...asked.headers, ...authorization } }, answer => {
    reply.writeHead(answer.statusCode, answer.headers)
    answer.pipe(reply)
    answer.on('error', () => reply.destroy())
  })
  passed.on('error', () => reply.destroy())  // the browser comes again
  reply.on('close', () => passed.destroy())
  passed.end()
})

server.on('upgrade', (asked, browser, first) => {
  if (!mayListen(new URL(asked.url, 'http://shop').pathname)) return browser.destroy()
  const headers = { ...asked.headers, ...authorization }
  const passed = connect(recharge.port || 80, recharge.hostname, () => {
    passed.write(`GET ${asked.url} HTTP/1.1\r\n`)
    for (const [name, value] of Object.entries(headers)) passed.write(`${name}: ${value}\r\n`)
    passed.write('\r\n')
    passed.write(first)
    passed.pipe(browser).pipe(passed)
  })
  for (const [one, other] of [[passed, browser], [browser, passed]]) one.on('error', () => other.destroy()).on('close', () => other.destroy())
})

server.listen(Number(process.argv[2] ?? 8090), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/live.html?order_id=…`)
})
