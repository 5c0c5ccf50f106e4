// One JSON request a line on stdin, {maker, ...arguments}; one JSON answer a line on stdout. For the end-to-end test.
import readline from 'node:readline';
import * as sdks from './sdks.mjs';

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { maker, ...request } = JSON.parse(line);
  const answer = maker === 'rsaKeyPair' ? sdks.rsaKeyPair() : await sdks[maker](request);
  if (maker === 'standard') answer.sdk = sdks.standardVerifies(answer, request.secrets[0]);
  process.stdout.write(JSON.stringify(answer) + '\n');
}
