// A worker that performs recharges for [fulfilment] kind = "amqp": takes recharge.requested out of a queue, performs each request
// id once, and reports recharge.completed or recharge.failed. Needs npm's amqplib (npm install amqplib).
//
//   node recharge_worker.mjs amqp://guest:guest@127.0.0.1[,URL...] [EXCHANGE [RESULTS_QUEUE [DONE_FILE [QUEUE_TYPE]]]]
//
// Several URLs are nodes of one cluster, tried in turn; queues of the type `quorum` outlive the loss of one.
// Recharge asks at least once, under the same request id each time: DONE_FILE remembers what was done, and how it ended, across
// restarts. A message is acknowledged only after its result is at the broker.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const amqp = createRequire((process.env.RECHARGE_MODULES ?? process.cwd()) + "/")("amqplib");
const [urls, exchange = "recharge", results = "recharge.results", file = "recharges.done", kind] = process.argv.slice(2);
const brokers = urls.split(",");
const queue = { durable: true, arguments: kind ? { "x-queue-type": kind } : {} };
const done = new Map(existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").filter(Boolean).map((line) => {
  const result = JSON.parse(line);
  return [result.request_id, result];
}) : []);

// Here a real worker would call the carrier, under the same request id. Amounts that end in .13 fail, to show that.
function perform(event) {
  const failed = Number(event.order.amount).toFixed(2).endsWith(".13");
  return failed ? { type: "recharge.failed", request_id: event.request_id, reason: "no such number" }
                : { type: "recharge.completed", request_id: event.request_id, reference: `node-${done.size + 1}` };
}

for (let turn = 0; ; ++turn) {
  try {
    const connection = await amqp.connect(brokers[turn % brokers.length]);
    connection.on("error", () => {});
    const closed = new Promise((resolve) => connection.on("close", resolve));
    const channel = await connection.createConfirmChannel();
    channel.on("error", () => {});
    const beginAnew = () => connection.close().catch(() => {});
    channel.on("close", beginAnew);
    await channel.assertExchange(exchange, "topic", { durable: true });
    await channel.assertQueue(results, queue);
    await channel.assertQueue("recharge.requests", queue);
    await channel.bindQueue("recharge.requests", exchange, "recharge.requested");
    await channel.prefetch(16);
    const work = async (message) => {
      const event = JSON.parse(message.content.toString());
      let result = done.get(event.request_id);
      if (!result) {
        result = perform(event);
        appendFileSync(file, JSON.stringify(result) + "\n");
        done.set(event.request_id, result);
        console.log(JSON.stringify({ ...result, order_id: event.order.order_id, account: event.account, amount: event.order.amount }));
      }
      channel.sendToQueue(results, Buffer.from(JSON.stringify(result)), { persistent: true, messageId: event.request_id });
      await channel.waitForConfirms();
      channel.ack(message);
    };
    // Where the connection is lost meanwhile, the broker hands the message out again; null: the queue's node is gone.
    await channel.consume("recharge.requests", (message) => (message ? work(message).catch(beginAnew) : beginAnew()));
    console.log(JSON.stringify({ ready: true }));
    await closed;
  } catch (error) {
    if (error.code !== "ECONNREFUSED") console.error(String(error));
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
}
