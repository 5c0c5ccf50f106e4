// A consumer of RabbitMQ as its users have it: binds a durable queue to the exchange and prints a line of JSON for each
// message, {id, key, type, persistent, body}. Goes on over restarts of the broker. With "hold" it takes nothing before there is
// a line on stdin. It ends with its stdin. Arguments: URL EXCHANGE QUEUE [ARGUMENTS_OF_THE_QUEUE_AS_JSON [hold]].
import { createRequire } from "node:module";

const amqp = createRequire(process.env.RECHARGE_RECEIVERS + "/")("amqplib");
const [url, exchange, queue, queueArguments = "{}", hold] = process.argv.slice(2);
const told = hold ? new Promise((resolve) => process.stdin.once("data", resolve)) : Promise.resolve();
process.stdin.on("end", () => process.exit(0)).resume();
const pause = () => new Promise((resolve) => setTimeout(resolve, 200));

for (;;) {
  try {
    const connection = await amqp.connect(url);
    connection.on("error", () => {});
    const closed = new Promise((resolve) => connection.on("close", resolve));
    const channel = await connection.createChannel();
    channel.on("error", () => {});
    await channel.assertExchange(exchange, "topic", { durable: true });
    await channel.assertQueue(queue, { durable: true, arguments: JSON.parse(queueArguments) });
    await channel.bindQueue(queue, exchange, "#");
    if (hold) console.log(JSON.stringify({ ready: true }));
    await told;
    await channel.prefetch(100);
    await channel.consume(queue, (message) => {
      const { messageId, type, deliveryMode } = message.properties;
      console.log(JSON.stringify({ id: messageId, key: message.fields.routingKey, type, persistent: deliveryMode === 2,
                                   body: message.content.toString() }));
      channel.ack(message);
    });
    console.log(JSON.stringify({ ready: true }));
    await closed;
  } catch {
    // the broker is not there: again
  }
  await pause();
}
