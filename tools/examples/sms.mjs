// Receives Recharge's webhook and sends an SMS for each top-up: verifies who sent it, does each event once, and says 2xx
// only when the provider has taken the message. Nothing but Node.
//
//     WEBHOOK_SECRET_FILE=keys/webhook_secret node tools/examples/sms.mjs [PORT]
//
//     [webhook.sms]                                # in recharged.toml
//     url = "http://127.0.0.1:8091/"
//     secret_file = "keys/webhook_secret"
//     events = ["order.recharged", "refund.succeeded"]
//     allow_private = true                         # for this address alone
import { createHmac, timingSafeEqual } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const TOLERANCE_S = 300
const MAX_BYTES = 64 * 1024
const secrets = readFileSync(process.env.WEBHOOK_SECRET_FILE, 'utf8').split('\n').filter(line => line.startsWith('whsec_'))
const keys = secrets.map(line => Buffer.from(line.trim().slice('whsec_'.length), 'base64'))
if (keys.length === 0) throw new Error('WEBHOOK_SECRET_FILE holds no whsec_ secret')
const doneFile = process.env.SMS_DONE_FILE ?? 'sms.done'
const done = new Set(existsSync(doneFile) ? readFileSync(doneFile, 'utf8').split('\n') : [])

// Your provider's call goes here. It is given the event's id: providers take one to recognise a repetition by, and there is
// one where this process dies between the provider's answer and the line in doneFile. It throws where the provider refuses.
async function sendSms(phone, text, eventId) {
  // await fetch('https://sms.example/send', {
  //   method: 'POST', headers: { authorization: `Bearer ${key}`, 'idempotency-key': eventId }, signal: AbortSignal.timeout(5000),
  //   body: JSON.stringify({ phone, text }) }).then(answer => { if (!answer.ok) throw new Error(`sms.example: ${answer.status}`) })
  console.log(JSON.stringify({ phone, text, event: eventId }))
}

function textOf({ type, order, refund }) {
  if (type === 'order.recharged') return `Your top-up of ${order.amount.toFixed(2)} ${order.currency} has arrived.`
  if (type === 'refund.succeeded') return `${refund.amount.toFixed(2)} ${order.currency} were refunded to you.`
}

// Standard Webhooks: one v1 signature of several is enough, over the bytes as they came.
function isSigned(headers, body) {
  const [id, at] = [headers['webhook-id'], headers['webhook-timestamp']]
  if (!id || !(Math.abs(Date.now() / 1000 - Number(at)) <= TOLERANCE_S)) return false
  const sent = String(headers['webhook-signature']).split(' ').filter(one => one.startsWith('v1,'))
  return keys.some(key => {
    const right = createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest()
    return sent.some(one => {
      const came = Buffer.from(one.slice(3), 'base64')
      return came.length === right.length && timingSafeEqual(came, right)
    })
  })
}

async function bodyOf(request) {
  const parts = []
  let size = 0
  for await (const part of request) {
    if ((size += part.length) > MAX_BYTES) throw new Error('too long')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

const server = createServer(async (request, reply) => {
  let status = 500  // Recharge tries again, for a day
  try {
    const body = await bodyOf(request)
    if (request.method !== 'POST' || !isSigned(request.headers, body)) return void reply.writeHead(403).end()
    const event = JSON.parse(body)
    const text = textOf(event)
    if (text && !done.has(event.id)) {
      await sendSms(event.account, text, event.id)
      done.add(event.id)
      appendFileSync(doneFile, `${event.id}\n`)
    }
    status = 204
  } catch (failure) {
    console.error(`not done: ${failure.message}`)
  }
  reply.writeHead(status).end()
})

server.listen(Number(process.argv[2] ?? 8091), '127.0.0.1', () => console.log(`listening on ${server.address().port}`))
