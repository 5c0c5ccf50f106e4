// The same four endpoints on Fastify and PostgreSQL, as a careful team would write them: one process a core, a pool,
// prepared statements, and the credit as one conditional statement, which is one transaction.
//
//   DATABASE_HOST=SOCKET_FOLDER SECRET_FILE=FILE PORT=N [WORKERS=N] node server.js
import cluster from 'node:cluster';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import Fastify from 'fastify';
import pg from 'pg';

const TOLERANCE_S = 300;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ACCOUNT = /^1[3-9][0-9]{9}$/;
const secret = readFileSync(process.env.SECRET_FILE, 'utf8').replace(/\n$/, '');
const credit = readFileSync(new URL('../credit.sql', import.meta.url), 'utf8');

const units = (text) => {
  const parts = /^(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,2}))?$/.exec(text);
  return parts ? Number(parts[1]) * 100 + Number((parts[2] ?? '').padEnd(2, '0')) : 0;
};
const money = (minor) => {
  const digits = String(minor).padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
};

// JSON.parse forgets how a number was written, and the signature covers it as written.
const NUMBERS = /"([^"\\]+)"\s*:\s*(-?[0-9][0-9.eE+-]*)/g;
function fieldsOf(text) {
  const fields = JSON.parse(text);
  if (fields === null || typeof fields !== 'object' || Array.isArray(fields)) throw new SyntaxError('no object');
  for (const [, name, number] of text.matchAll(NUMBERS)) {
    if (typeof fields[name] === 'number') fields[name] = number;
  }
  return fields;
}

function isSigned(fields) {
  const { signature, ...signed } = fields;
  if (typeof signature !== 'string' || !/^[0-9a-f]{64}$/.test(signature)) return false;
  const canonical = Object.keys(signed).sort().filter((name) => signed[name] !== null && signed[name] !== '')
    .map((name) => `${name}=${signed[name]}`).join('&');
  return timingSafeEqual(createHmac('sha256', secret).update(canonical).digest(), Buffer.from(signature, 'hex'));
}

function serve() {
  const pool = new pg.Pool({ host: process.env.DATABASE_HOST, user: 'postgres', database: 'postgres',
    max: Number(process.env.POOL ?? 16) });
  const run = (name, text, values) => pool.query({ name, text, values });
  const app = Fastify({ keepAliveTimeout: 75_000, bodyLimit: 65_536 });
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => done(null, body));
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof SyntaxError) return fail(reply, 400, 'invalid_request', 'Invalid request');
    console.error(error);
    return fail(reply, 500, 'internal_error', 'Internal error');
  });
  const send = (reply, json) => reply.header('content-type', 'application/json').send(json);
  const fail = (reply, code, error, msg) => send(reply.code(code), JSON.stringify({ code, msg, error }));

  app.post('/api/place_order', async (request, reply) => {
    const { account, amount } = fieldsOf(request.body);
    if (!ACCOUNT.test(account)) return fail(reply, 400, 'invalid_account', 'Invalid account');
    const minor = units(amount);
    if (minor <= 0 || minor > 100_000_000) return fail(reply, 400, 'invalid_amount', 'Invalid amount');
    const { rows: [order] } = await run('place',
      'INSERT INTO orders (account, amount) VALUES ($1, $2) RETURNING order_id, expires_at', [account, minor]);
    return send(reply, `{"code":200,"order_id":"${order.order_id}","status":"pending","amount":${money(minor)},` +
      `"currency":"CNY","expires_at":"${order.expires_at.toISOString()}"}`);
  });

  app.post('/api/pay', async (request, reply) => {
    const { order_id: id } = fieldsOf(request.body);
    if (!UUID.test(id)) return fail(reply, 404, 'order_not_found', 'Order not found');
    const { rows: [order] } = await run('pay', "UPDATE orders SET status = 'paid', " +
      "transaction_id = coalesce(transaction_id, 'sim_' || order_id) WHERE order_id = $1 AND " +
      "status IN ('pending', 'failed', 'paid') AND expires_at >= now() RETURNING transaction_id", [id]);
    if (!order) return fail(reply, 409, 'invalid_state', 'Invalid state');
    return send(reply, JSON.stringify(
      { code: 200, msg: 'Payment succeeded', transaction_id: order.transaction_id, status: 'paid' }));
  });

  app.post('/api/payment_callback', async (request, reply) => {
    const fields = fieldsOf(request.body);
    if (!isSigned(fields)) return fail(reply, 403, 'invalid_signature', 'Invalid signature');
    const { order_id: id, transaction_id: transaction, amount, status, timestamp } = fields;
    if (![id, transaction, amount, status, timestamp].every((value) => typeof value === 'string' && value !== '')) {
      return fail(reply, 400, 'invalid_request', 'Invalid request');
    }
    if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) {
      return fail(reply, 403, 'stale_signature', 'Stale signature');
    }
    if (!UUID.test(id)) return fail(reply, 404, 'order_not_found', 'Order not found');
    if (status !== 'success') {
      await run('failed', "UPDATE orders SET status = 'failed' WHERE order_id = $1 AND status = 'pending'", [id]);
      return send(reply, '{"code":200,"msg":"Payment failure recorded"}');
    }
    const { rowCount } = await run('credit', credit, [id, transaction, units(amount)]);
    if (rowCount === 1) return send(reply, '{"code":200,"msg":"Recharge succeeded"}');
    const { rows: [order] } = await run('status',
      'SELECT status, transaction_id FROM orders WHERE order_id = $1', [id]);
    if (!order) return fail(reply, 404, 'order_not_found', 'Order not found');
    const again = order.status === 'recharged' && order.transaction_id === transaction;
    return send(reply, `{"code":200,"msg":"${again ? 'Already processed' : 'Payment recorded for review'}"}`);
  });

  app.get('/api/check_balance', async (request, reply) => {
    const { account } = request.query;
    if (!ACCOUNT.test(account)) return fail(reply, 400, 'invalid_account', 'Invalid account');
    const { rows: [row] } = await run('balance', 'SELECT balance FROM accounts WHERE account = $1', [account]);
    return send(reply, `{"code":200,"account":"${account}","balance":${money(row?.balance ?? 0)},"currency":"CNY"}`);
  });

  app.get('/api/orders/:id', async (request, reply) => {
    const { id } = request.params;
    const { rows: [order] } = UUID.test(id) ? await run('order',
      'SELECT account, amount, status, transaction_id FROM orders WHERE order_id = $1', [id]) : { rows: [] };
    if (!order) return fail(reply, 404, 'order_not_found', 'Order not found');
    return send(reply, `{"code":200,"order":{"order_id":"${id}","account":"${order.account}","amount":` +
      `${money(order.amount)},"status":"${order.status}","transaction_id":${JSON.stringify(order.transaction_id)}}}`);
  });

  app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
}

if (cluster.isPrimary) {
  const workers = Number(process.env.WORKERS ?? availableParallelism());
  for (let i = 0; i < workers; ++i) cluster.fork();
  cluster.on('exit', () => process.exit(1));
  const stop = () => { for (const worker of Object.values(cluster.workers)) worker.process.kill(); process.exit(0); };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} else {
  process.on('disconnect', () => process.exit(1));
  serve();
}
