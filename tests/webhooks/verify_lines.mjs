// Verifies webhooks as receivers do: a line of JSON {secret, headers, body} on stdin, a line {standardwebhooks, svix} of
// what each library makes of it on stdout: the payload, or {error}.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(process.env.RECHARGE_RECEIVERS + "/");
const libraries = { standardwebhooks: require("standardwebhooks").Webhook, svix: require("svix").Webhook };

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  const verdict = {};
  for (const [name, Webhook] of Object.entries(libraries)) {
    try {
      verdict[name] = new Webhook(secret).verify(body, headers);
    } catch (error) {
      verdict[name] = { error: String(error) };
    }
  }
  console.log(JSON.stringify(verdict));
}
