// Notifications as gateways send them, signed and sealed by the SDKs of npm. RECHARGE_SDKS names the folder in which
// `npm ci` was run. Each maker answers {headers, body, sdk}: sdk says whether that SDK itself accepts it.
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';

const folder = path.resolve(process.env.RECHARGE_SDKS);
const require = createRequire(path.join(folder, 'index.js'));
const { AlipaySdk } = require('alipay-sdk');
const alipayUtil = require(path.join(folder, 'node_modules/alipay-sdk/dist/commonjs/util.js'));
const { Rsa, Formatter, Aes } = require('wechatpay-axios-plugin');
const Stripe = require('stripe');
const { Webhook } = require('standardwebhooks');

// base64 of SubjectPublicKeyInfo and PKCS#8, without armour.
export function rsaKeyPair(bits = 2048) {
  const pair = crypto.generateKeyPairSync('rsa', {
    modulusLength: bits,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  return { publicKey: pair.publicKey.toString('base64'), privateKey: pair.privateKey.toString('base64') };
}

const pem = (kind, base64) => `-----BEGIN ${kind}-----\n${base64.match(/.{1,64}/g).join('\n')}\n-----END ${kind}-----\n`;
export const publicPem = (base64) => pem('PUBLIC KEY', base64);
const privatePem = (base64) => pem('PRIVATE KEY', base64);

// --- Alipay ---------------------------------------------------------------------------------------------------------

export function alipayText(fields) {
  return Object.keys(fields).filter((name) => name !== 'sign' && name !== 'sign_type').sort()
    .map((name) => `${name}=${fields[name]}`).join('&');
}

// options: {omit_sign_type, algorithm, text, extra: appended to the body as it stands}
export function alipay({ fields, privateKey, publicKey, options = {} }) {
  const text = options.text ?? alipayText(fields);
  const sign = options.algorithm
    ? crypto.createSign(options.algorithm).update(text, 'utf8').sign(privatePem(privateKey), 'base64')
    : alipayUtil.signatureV3(text, privatePem(privateKey));
  const sent = { ...fields, ...(options.omit_sign_type ? {} : { sign_type: options.sign_type ?? 'RSA2' }), sign };
  const body = new URLSearchParams(sent).toString() + (options.extra ?? '');
  const sdk = new AlipaySdk({ appId: 'x', privateKey, keyType: 'PKCS8', alipayPublicKey: publicKey });
  let verdict = false;
  try {
    verdict = sdk.checkNotifySignV2(Object.fromEntries(new URLSearchParams(body)));
  } catch { /* what it throws at is not accepted */ }
  return { headers: [['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8']], body, sdk: verdict };
}

// --- WeChat Pay v3 --------------------------------------------------------------------------------------------------

// options: {associated_data: null leaves it out, event_type, original_type, algorithm, signature, no_tag}
export function wechat({ transaction, privateKey, publicKey, serial, apiV3Key, timestamp, now, options = {} }) {
  const nonce = crypto.randomBytes(6).toString('hex');  // 12 characters
  const associated = options.associated_data === undefined ? 'transaction' : options.associated_data;
  const plain = typeof transaction === 'string' ? transaction : JSON.stringify(transaction);
  let ciphertext = Aes.AesGcm.encrypt(plain, apiV3Key, nonce, associated ?? '');
  if (options.flip_tag) {
    const bytes = Buffer.from(ciphertext, 'base64');
    bytes[bytes.length - 1] ^= 1;
    ciphertext = bytes.toString('base64');
  }
  const message = {
    id: crypto.randomUUID(),
    create_time: new Date(timestamp * 1000).toISOString(),
    event_type: options.event_type ?? 'TRANSACTION.SUCCESS',
    resource_type: 'encrypt-resource',
    summary: 'payment',
    resource: {
      original_type: options.original_type ?? 'transaction',
      algorithm: options.algorithm ?? 'AEAD_AES_256_GCM',
      ciphertext,
      ...(associated === null ? {} : { associated_data: associated }),
      nonce,
    },
  };
  const body = options.body ?? JSON.stringify(message);
  const headerNonce = Formatter.nonce();
  const text = Formatter.response(String(timestamp), headerNonce, body);
  const key = Rsa.from(privatePem(privateKey), Rsa.KEY_TYPE_PRIVATE);
  const signature = (options.prefix ?? '') + Rsa.sign(text, key);
  let sdk = false;
  try {
    sdk = Math.abs(timestamp - (now ?? timestamp)) <= 300
      && Rsa.verify(text, signature, Rsa.from(publicPem(publicKey), Rsa.KEY_TYPE_PUBLIC));
    if (sdk && options.body === undefined) Aes.AesGcm.decrypt(ciphertext, apiV3Key, nonce, associated ?? '');
  } catch {
    sdk = false;
  }
  return {
    headers: [
      ['Content-Type', 'application/json'], ['Wechatpay-Timestamp', String(timestamp)],
      ['Wechatpay-Nonce', headerNonce], ['Wechatpay-Serial', serial], ['Wechatpay-Signature', signature],
      ['Wechatpay-Signature-Type', 'WECHATPAY2-SHA256-RSA2048'],
    ],
    body,
    sdk,
  };
}

// --- Stripe ---------------------------------------------------------------------------------------------------------

// secrets: each gives a v1. Stripe sends indented JSON.
export function stripe({ event, secrets, timestamp, now, options = {} }) {
  const payload = typeof event === 'string' ? event : JSON.stringify(event, null, 2);
  const sign = (secret) => Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp, scheme: 'v1' });
  const parts = secrets.map((secret) => sign(secret).split(',')[1]);
  const header = options.header ?? [`t=${timestamp}`, ...(options.before ?? []), ...parts, ...(options.after ?? [])].join(',');
  let sdk = true;
  try {
    Stripe.webhooks.constructEvent(payload, header, secrets[0], 300, undefined, (now ?? timestamp) * 1000);
  } catch {
    sdk = false;
  }
  return { headers: [['Content-Type', 'application/json'], ['Stripe-Signature', header]], body: payload, sdk };
}

// --- Standard Webhooks ----------------------------------------------------------------------------------------------

export function standard({ message, secrets, id, timestamp, options = {} }) {
  const payload = typeof message === 'string' ? message : JSON.stringify(message);
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, new Date(timestamp * 1000), payload));
  const header = [...(options.before ?? []), ...signatures].join(' ');
  return {
    headers: [['Content-Type', 'application/json'], ['webhook-id', id], ['webhook-timestamp', String(timestamp)],
      ['webhook-signature', header]],
    body: payload,
    sdk: null,  // it takes the time of the machine: checked where callbacks are fresh
  };
}

export function standardVerifies({ headers, body }, secret) {
  try {
    new Webhook(secret).verify(body, Object.fromEntries(headers));
    return true;
  } catch {
    return false;
  }
}

// --- Requests to gateways: whether the SDK, in the gateway's place, verifies them by the merchant's public key ------

export function alipayTakes({ fields, publicKey }) {
  const { privateKey } = rsaKeyPair();
  const sdk = new AlipaySdk({ appId: fields.app_id, privateKey, keyType: 'PKCS8', alipayPublicKey: publicKey });
  const { sign, ...signed } = fields;  // of requests, sign_type is signed, too
  const text = Object.keys(signed).sort().map((name) => `${name}=${signed[name]}`).join('&');
  return { sdk: sdk.checkNotifySignV2(fields) && sdk.rsaCheck(text, sign, fields.sign_type) };
}

export function wechatTakes({ method, uri, body, authorization, publicKey }) {
  const values = Object.fromEntries([...authorization.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
  const text = Formatter.request(method, uri, values.timestamp, values.nonce_str, body);
  return { sdk: Rsa.verify(text, values.signature, Rsa.from(publicPem(publicKey), Rsa.KEY_TYPE_PUBLIC)),
    authorization: Formatter.authorization(values.mchid, values.nonce_str, values.signature, values.timestamp, values.serial_no) };
}

// Stripe's requests are not signed: the SDK itself sends the same call, to be compared.
export async function stripeSends({ url, secret, call, argument, options }) {
  const { hostname: host, port } = new URL(url);
  const sdk = new Stripe(secret, { host, port, protocol: 'http', maxNetworkRetries: 0, telemetry: false });
  const [resource, method] = call.split('.');
  try {
    await sdk[resource][method](...argument, options);
    return { sdk: true };
  } catch (error) {
    return { sdk: false, error: String(error) };
  }
}
