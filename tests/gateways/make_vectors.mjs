// Makes vectors.json: what gateways send, by their SDKs, and what has to become of it. Keys are made on the spot, and
// private keys are thrown away; symmetric keys are of these vectors alone.
//
//   npm ci --prefix FOLDER    (with package.json and package-lock.json of this folder in FOLDER)
//   RECHARGE_SDKS=FOLDER node make_vectors.mjs > vectors.json
import { alipay, alipayText, rsaKeyPair, publicPem, standard, stripe, wechat } from './sdks.mjs';

const NOW = 1700000000;
const ORDER = '0190a1b2c3d47e5f8a6b0123456789ab';
const UUID = '0190a1b2-c3d4-7e5f-8a6b-0123456789ab';
const vectors = [];

// expected: {refusal} or {kind, …}
function add(gateway, name, made, expected, now = NOW) {
  const header_lines = made.headers.map(([key, value]) => `${key}: ${value}\r\n`).join('');
  vectors.push({ gateway, name, now, header_lines, body: made.body, sdk_accepts: made.sdk, ...expected });
}
const refusal = (reason) => ({ refusal: reason });

// --- Alipay ---------------------------------------------------------------------------------------------------------

const app = { app_id: '2021000000000001', seller_id: '2088000000000001' };
const alipayKeys = [rsaKeyPair(), rsaKeyPair(4096)];
const otherKey = rsaKeyPair();
const notice = {
  gmt_create: '2023-11-15 06:13:01', charset: 'utf-8', gmt_payment: '2023-11-15 06:13:15',
  notify_time: '2023-11-15 06:13:20', subject: '充值 50 元 100%+&more', buyer_id: '2088102104794936', invoice_amount: '50.00',
  version: '1.0', notify_id: '2023111500222061315094930520123456', fund_bill_list: '[{"amount":"50.00","fundChannel":"ALIPAYACCOUNT"}]',
  notify_type: 'trade_status_sync', out_trade_no: ORDER, total_amount: '50.00', trade_status: 'TRADE_SUCCESS',
  trade_no: '2023111522001494930501234567', auth_app_id: app.app_id, receipt_amount: '49.00', point_amount: '0.00',
  buyer_pay_amount: '49.00', passback_params: '', ...app,
};
const paid = {
  kind: 'payment_succeeded', order_id: ORDER, transaction_id: notice.trade_no, amount: 5000, currency: 'CNY',
  paid_at_ms: Date.UTC(2023, 10, 14, 22, 13, 15),
};
const pay = (changes = {}, options = {}, pair = alipayKeys[0]) =>
  alipay({ fields: { ...notice, ...changes }, ...pair, options });
const without = (name) => {
  const { [name]: gone, ...fields } = notice;
  return alipay({ fields, ...alipayKeys[0] });
};
const altered = (made, from, to) => ({ ...made, sdk: null, body: made.body.replace(from, to) });

add('alipay', 'paid', pay(), paid);
add('alipay', 'paid, by the second key of 4096 bits', pay({}, {}, alipayKeys[1]), paid);
add('alipay', 'paid, without sign_type', pay({}, { omit_sign_type: true }), paid);
add('alipay', 'paid, amount without decimals', pay({ total_amount: '20' }), { ...paid, amount: 2000 });
add('alipay', 'paid, 36-character order id', pay({ out_trade_no: UUID }), { ...paid, order_id: UUID });
add('alipay', 'finished', pay({ trade_status: 'TRADE_FINISHED' }), paid);
add('alipay', 'an unknown field counts', pay({ zzz: 'new' }), paid);
add('alipay', 'refund in part comes as success again',
  pay({ refund_fee: '10.00', gmt_refund: '2023-11-15 07:00:00.120', out_biz_no: 'r1' }), { kind: 'refund' });
add('alipay', 'refund in part, one field left', pay({ out_biz_no: 'r1' }), { kind: 'refund' });
add('alipay', 'refund in full',
  pay({ trade_status: 'TRADE_CLOSED', refund_fee: '50.00', gmt_refund: '2023-11-15 07:00:00.120', gmt_close: '2023-11-15 07:00:00' }),
  { kind: 'refund' });
add('alipay', 'closed unpaid', pay({ trade_status: 'TRADE_CLOSED', gmt_close: '2023-11-15 07:00:00' }),
  { kind: 'payment_failed', order_id: ORDER, transaction_id: notice.trade_no });
add('alipay', 'waits for the buyer', pay({ trade_status: 'WAIT_BUYER_PAY' }), { kind: 'unused' });
add('alipay', 'another kind of notification', pay({ notify_type: 'dut_user_sign' }), { kind: 'unused' });
add('alipay', 'another app', pay({ app_id: '2021000000000002' }), refusal('wrong_account'));
add('alipay', 'another seller', pay({ seller_id: '2088000000000002' }), refusal('wrong_account'));
add('alipay', 'no seller', without('seller_id'), refusal('wrong_account'));
add('alipay', 'no amount', without('total_amount'), refusal('malformed'));
add('alipay', 'an amount with three decimals', pay({ total_amount: '50.000' }), refusal('malformed'));
add('alipay', 'an amount of zero', pay({ total_amount: '0.00' }), refusal('malformed'));
add('alipay', 'a negative amount', pay({ total_amount: '-50.00' }), refusal('malformed'));
add('alipay', 'no order', without('out_trade_no'), refusal('malformed'));
add('alipay', 'no trade number', without('trade_no'), refusal('malformed'));
add('alipay', 'a time that is none', pay({ gmt_payment: '2023-11-31 06:13:15' }), refusal('malformed'));
add('alipay', 'another key', pay({}, {}, otherKey), refusal('invalid_signature'));
add('alipay', 'SHA-1, as sign_type says', pay({}, { algorithm: 'RSA-SHA1', sign_type: 'RSA' }), refusal('invalid_signature'));
add('alipay', 'SHA-1, as sign_type denies', pay({}, { algorithm: 'RSA-SHA1' }), refusal('invalid_signature'));
add('alipay', 'sign_type is signed, too',
  pay({}, { text: `${alipayText(notice)}`.replace('&subject=', '&sign_type=RSA2&subject=') }), refusal('invalid_signature'));
add('alipay', 'a name twice', pay({}, { extra: '&total_amount=50.00' }), refusal('invalid_signature'));
add('alipay', 'a name twice, escaped', pay({}, { extra: '&total%5Famount=0.01' }), refusal('invalid_signature'));
add('alipay', 'altered amount', altered(pay(), 'total_amount=50.00', 'total_amount=60.00'), refusal('invalid_signature'));
add('alipay', 'a field left out', altered(pay(), '&point_amount=0.00', ''), refusal('invalid_signature'));
add('alipay', 'an empty field left out', altered(pay(), '&passback_params=', ''), refusal('invalid_signature'));
const swallowed = altered(pay({ refund_fee: '10.00' }), '&refund_fee=10.00', '');
swallowed.body = swallowed.body.replace('receipt_amount=49.00', 'receipt_amount=49.00%26refund_fee%3D10.00');
add('alipay', 'a refund field swallowed by the value before it', swallowed, refusal('invalid_signature'));
add('alipay', 'no signature', altered(pay(), /&sign=[^&]*/, ''), refusal('no_signature'));
add('alipay', 'a signature that is no base64', altered(pay(), /&sign=[^&]*/, '&sign=***'), refusal('invalid_signature'));
add('alipay', 'an escape that is none', altered(pay(), 'charset=utf-8', 'charset=utf%-8'), refusal('invalid_signature'));

// --- WeChat Pay -----------------------------------------------------------------------------------------------------

const merchant = { mchid: '1900000001', appid: 'wx0000000000000001' };
const apiV3Key = 'recharge-vectors-apiv3-key-00001';
const previousKey = 'recharge-vectors-apiv3-key-00000';
const wechatKeys = [
  { id: 'PUB_KEY_ID_0119000000012024111100337000000001', ...rsaKeyPair() },
  { id: '7132D72A03E93CDDF8C03BBD1F37EEDF00000001', ...rsaKeyPair() },
];
const transaction = {
  transaction_id: '4200001234202311150123456789', amount: { payer_total: 4900, total: 5000, currency: 'CNY', payer_currency: 'CNY' },
  ...merchant, out_trade_no: ORDER, trade_type: 'NATIVE', trade_state: 'SUCCESS', trade_state_desc: '支付成功',
  bank_type: 'OTHERS', attach: '', success_time: '2023-11-15T06:13:15+08:00', payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
};
const received = { ...paid, transaction_id: transaction.transaction_id };
const tell = (changes = {}, options = {}, more = {}) => wechat({
  transaction: { ...transaction, ...changes }, ...wechatKeys[more.key ?? 0], serial: more.serial ?? wechatKeys[more.key ?? 0].id,
  apiV3Key: more.apiV3Key ?? apiV3Key, timestamp: more.timestamp ?? NOW, now: NOW, options,
});
const drop = (name) => ({ [name]: undefined });
const header = (made, name, value) => ({
  ...made, sdk: null, headers: made.headers.flatMap(([key, old]) => (key !== name ? [[key, old]] : value === null ? [] : [[key, value]])),
});

add('wechat', 'paid', tell(), received);
add('wechat', 'paid, by a platform certificate', tell({}, {}, { key: 1 }), received);
add('wechat', 'paid, sealed under the key before', tell({}, {}, { apiV3Key: previousKey }), received);
add('wechat', 'paid, without associated data', tell({}, { associated_data: null }), received);
add('wechat', 'paid, with empty associated data', tell({}, { associated_data: '' }), received);
add('wechat', 'paid, without Wechatpay-Signature-Type', header(tell(), 'Wechatpay-Signature-Type', null), received);
add('wechat', '299 s old', tell({}, {}, { timestamp: NOW - 299 }), received);
add('wechat', '299 s ahead', tell({}, {}, { timestamp: NOW + 299 }), received);
add('wechat', '300 s old', tell({}, {}, { timestamp: NOW - 300 }), refusal('stale'));
add('wechat', '300 s ahead', tell({}, {}, { timestamp: NOW + 300 }), refusal('stale'));
add('wechat', '301 s old', tell({}, {}, { timestamp: NOW - 301 }), refusal('stale'));
add('wechat', 'a probe', tell({}, { prefix: 'WECHATPAY/SIGNTEST/' }), refusal('signature_probe'));
add('wechat', 'an unknown key', tell({}, {}, { serial: 'PUB_KEY_ID_0119000000012024111100337000000009' }), refusal('unknown_key'));
add('wechat', 'the other key', tell({}, {}, { serial: wechatKeys[1].id }), refusal('invalid_signature'));
add('wechat', 'another algorithm named', header(tell(), 'Wechatpay-Signature-Type', 'WECHATPAY2-RSA-SHA1'), refusal('no_signature'));
for (const name of ['Wechatpay-Timestamp', 'Wechatpay-Nonce', 'Wechatpay-Serial', 'Wechatpay-Signature'])
  add('wechat', `without ${name}`, header(tell(), name, null), refusal('no_signature'));
add('wechat', 'another nonce', header(tell(), 'Wechatpay-Nonce', 'x'.repeat(32)), refusal('invalid_signature'));
add('wechat', 'another time', header(tell(), 'Wechatpay-Timestamp', String(NOW + 1)), refusal('invalid_signature'));
add('wechat', 'altered body', ((made) => ({ ...made, sdk: null, body: `${made.body} ` }))(tell()), refusal('invalid_signature'));
add('wechat', 'altered tag', tell({}, { flip_tag: true }), refusal('undecryptable'));
add('wechat', 'sealed under another key', tell({}, {}, { apiV3Key: 'recharge-vectors-apiv3-key-00009' }), refusal('undecryptable'));
add('wechat', 'another algorithm', tell({}, { algorithm: 'AEAD_SM4_GCM' }), refusal('malformed'));
add('wechat', 'no object', tell({}, { body: '[]' }), refusal('malformed'));
add('wechat', 'another app', tell({ appid: 'wx0000000000000002' }), refusal('wrong_account'));
add('wechat', 'no app', tell(drop('appid')), refusal('wrong_account'));
add('wechat', 'another merchant', tell({ mchid: '1900000002' }), refusal('wrong_account'));
add('wechat', 'another currency', tell({ amount: { ...transaction.amount, currency: 'USD' } }), refusal('wrong_currency'));
add('wechat', 'an amount as text', tell({ amount: { ...transaction.amount, total: '5000' } }), refusal('malformed'));
add('wechat', 'an amount with a fraction', tell({ amount: { ...transaction.amount, total: 50.5 } }), refusal('malformed'));
add('wechat', 'no total', tell({ amount: { payer_total: 5000, currency: 'CNY' } }), refusal('malformed'));
add('wechat', 'no order', tell(drop('out_trade_no')), refusal('malformed'));
add('wechat', 'not paid', tell({ trade_state: 'NOTPAY' }), refusal('malformed'));
add('wechat', 'went back', tell({ trade_state: 'REFUND' }), { kind: 'refund' });
add('wechat', 'refund', tell({ trade_state: undefined, appid: undefined, refund_status: 'SUCCESS', out_refund_no: 'r1' },
  { event_type: 'REFUND.SUCCESS', original_type: 'refund', associated_data: 'refund' }), { kind: 'refund' });
add('wechat', 'a refund of another merchant', tell({ mchid: '1900000002' }, { event_type: 'REFUND.SUCCESS', original_type: 'refund' }),
  refusal('wrong_account'));
add('wechat', 'a refund that calls itself a transaction', tell({}, { event_type: 'TRANSACTION.SUCCESS', original_type: 'refund' }),
  refusal('malformed'));
add('wechat', 'another event', tell({}, { event_type: 'PAYSCORE.USER_CONFIRM' }), { kind: 'unused' });

// --- Stripe ---------------------------------------------------------------------------------------------------------

const endpointSecrets = ['whsec_rechargeVectorsFirst00000001', 'whsec_rechargeVectorsSecond0000002'];
const intent = {
  id: 'pi_3OAbCdEfGhIjKlMn0RechargE', object: 'payment_intent', amount: 5000, amount_capturable: 0, amount_received: 5000,
  created: NOW - 20, currency: 'cny', livemode: false, metadata: { order_id: ORDER }, status: 'succeeded',
  payment_method_types: ['wechat_pay'], last_payment_error: null,
};
const stripeEvent = (changes = {}, object = {}) => ({
  id: 'evt_1OAbCdEfGhIjKlMn', object: 'event', api_version: '2025-09-30', created: NOW - 5, livemode: false, pending_webhooks: 1,
  request: { id: null, idempotency_key: null }, type: 'payment_intent.succeeded', data: { object: { ...intent, ...object } }, ...changes,
});
const emit = (changes, object, options, more = {}) => stripe({
  event: more.event ?? stripeEvent(changes, object), secrets: more.secrets ?? [endpointSecrets[0]], timestamp: more.timestamp ?? NOW,
  now: NOW, options,
});
const settled = { ...paid, transaction_id: intent.id, paid_at_ms: (NOW - 5) * 1000 };

add('stripe', 'paid', emit(), settled);
add('stripe', 'paid, while secrets are rolled', emit({}, {}, {}, { secrets: [...endpointSecrets].reverse() }), settled);
add('stripe', 'paid, by the second secret alone', emit({}, {}, {}, { secrets: [endpointSecrets[1]] }), settled);
add('stripe', 'paid, among unknown schemes', emit({}, {}, { before: ['v0=00', 'v1=00'], after: ['v2=x', ''] }), settled);
add('stripe', '300 s old', emit({}, {}, {}, { timestamp: NOW - 300 }), settled);
add('stripe', '300 s ahead', emit({}, {}, {}, { timestamp: NOW + 300 }), settled);
add('stripe', '301 s old', emit({}, {}, {}, { timestamp: NOW - 301 }), refusal('stale'));
add('stripe', '301 s ahead, which the SDK takes', emit({}, {}, {}, { timestamp: NOW + 301 }), refusal('stale'));
add('stripe', 'failed', emit({ type: 'payment_intent.payment_failed' }, { status: 'requires_payment_method', amount_received: 0 }),
  { kind: 'payment_failed', order_id: ORDER, transaction_id: intent.id });
add('stripe', 'processing', emit({ type: 'payment_intent.processing' }), { kind: 'unused' });
add('stripe', 'refunded', emit({ type: 'charge.refunded' }, { object: 'charge' }), { kind: 'refund' });
add('stripe', 'of something else on this account', emit({}, { metadata: {} }), { kind: 'unused' });
add('stripe', 'live', emit({ livemode: true }), refusal('wrong_account'));
add('stripe', 'another currency', emit({}, { currency: 'usd' }), refusal('wrong_currency'));
add('stripe', 'a currency without cents', emit({}, { currency: 'jpy' }), refusal('wrong_currency'));
add('stripe', 'nothing received', emit({}, { amount_received: 0 }), refusal('malformed'));
add('stripe', 'an amount as text', emit({}, { amount_received: '5000' }), refusal('malformed'));
add('stripe', 'not succeeded', emit({}, { status: 'processing' }), refusal('malformed'));
add('stripe', 'no payment intent', emit({}, { object: 'charge' }), refusal('malformed'));
add('stripe', 'a thin event', emit({ object: 'v2.core.event', data: undefined }), refusal('malformed'));
add('stripe', 'another secret', emit({}, {}, {}, { secrets: ['whsec_rechargeVectorsOther00000003'] }), refusal('invalid_signature'));
add('stripe', 'upper-case hex', ((made) => header(made, 'Stripe-Signature',
  made.headers[1][1].replace(/v1=.*/, (part) => `v1=${part.slice(3).toUpperCase()}`)))(emit()), refusal('no_signature'));
add('stripe', 'v0 alone', ((made) => header(made, 'Stripe-Signature', made.headers[1][1].replace('v1=', 'v0=')))(emit()), refusal('no_signature'));
add('stripe', 'two times', emit({}, {}, { before: [`t=${NOW}`] }), refusal('no_signature'));
add('stripe', 'no time', ((made) => header(made, 'Stripe-Signature', made.headers[1][1].replace(/t=\d+,/, '')))(emit()), refusal('no_signature'));
add('stripe', 'no header', header(emit(), 'Stripe-Signature', null), refusal('no_signature'));
add('stripe', 'another time', ((made) => header(made, 'Stripe-Signature', made.headers[1][1].replace(`t=${NOW}`, `t=${NOW + 1}`)))(emit()),
  refusal('invalid_signature'));
add('stripe', 'altered body', ((made) => ({ ...made, sdk: null, body: made.body.replace('"amount_received": 5000', '"amount_received": 6000') }))(emit()),
  refusal('invalid_signature'));

// --- Standard Webhooks ----------------------------------------------------------------------------------------------

const webhookSecrets = ['whsec_cmVjaGFyZ2UtdmVjdG9ycy1maXJzdC1rZXk=', 'whsec_cmVjaGFyZ2UtdmVjdG9ycy1zZWNvbmQta2V5'];
const data = { order_id: UUID, amount: 5000, currency: 'CNY', transaction_id: 'txn_1', paid_at: '2023-11-14T22:13:15Z' };
const hook = (changes = {}, type = 'payment.succeeded', more = {}, options = {}) => standard({
  message: more.message ?? { type, timestamp: '2023-11-14T22:13:20Z', data: { ...data, ...changes } },
  secrets: more.secrets ?? [webhookSecrets[0]], id: more.id ?? 'msg_1', timestamp: more.timestamp ?? NOW, options,
});
const told = { ...paid, order_id: UUID, transaction_id: 'txn_1' };

add('standard', 'paid', hook(), told);
add('standard', 'paid, the second of two signatures', hook({}, undefined, {}, { before: ['v1,AAAA', 'v9,x'] }), told);
add('standard', 'paid, by the second secret', hook({}, undefined, { secrets: [webhookSecrets[1]] }), told);
add('standard', 'the id of the message is the transaction', hook({ transaction_id: undefined }), { ...told, transaction_id: 'msg_1' });
add('standard', 'no time of payment', hook({ paid_at: undefined }), { ...told, paid_at_ms: null });
add('standard', 'failed', hook({ amount: undefined }, 'payment.failed'), { kind: 'payment_failed', order_id: UUID, transaction_id: 'txn_1' });
add('standard', 'another type', hook({}, 'payment.created'), { kind: 'unused' });
add('standard', '300 s old', hook({}, undefined, { timestamp: NOW - 300 }), told);
add('standard', '300 s ahead', hook({}, undefined, { timestamp: NOW + 300 }), told);
add('standard', '301 s old', hook({}, undefined, { timestamp: NOW - 301 }), refusal('stale'));
add('standard', '301 s ahead', hook({}, undefined, { timestamp: NOW + 301 }), refusal('stale'));
add('standard', 'another secret', hook({}, undefined, { secrets: ['whsec_cmVjaGFyZ2UtdmVjdG9ycy1vdGhlci1rZXktMQ=='] }), refusal('invalid_signature'));
add('standard', 'another currency', hook({ currency: 'USD' }), refusal('wrong_currency'));
add('standard', 'no currency', hook({ currency: undefined }), refusal('wrong_currency'));
add('standard', 'an amount in units', hook({ amount: 50.5 }), refusal('malformed'));
add('standard', 'no amount', hook({ amount: undefined }), refusal('malformed'));
add('standard', 'no order', hook({ order_id: undefined }), refusal('malformed'));
add('standard', 'a time that is none', hook({ paid_at: 'yesterday' }), refusal('malformed'));
add('standard', 'no data', hook({}, undefined, { message: { type: 'payment.succeeded' } }), refusal('malformed'));
for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature'])
  add('standard', `without ${name}`, header(hook(), name, null), refusal('no_signature'));
add('standard', 'another id', header(hook(), 'webhook-id', 'msg_2'), refusal('invalid_signature'));

const accounts = {
  alipay: { ...app, public_keys: alipayKeys.map((pair) => pair.publicKey) },
  wechat: {
    ...merchant, api_v3_keys: [apiV3Key, previousKey],
    public_keys: wechatKeys.map(({ id, publicKey }) => ({ id, pem: publicPem(publicKey) })),
  },
  stripe: { livemode: false, webhook_secrets: endpointSecrets },
  standard: { secrets: webhookSecrets },
};
process.stdout.write(`${JSON.stringify({ accounts, vectors }, null, 1)}\n`);
