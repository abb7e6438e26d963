import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** The floor of signing for Google Cloud Storage: one thread that makes one RSA signature after the other. */

const [credentialsFile = '', seconds = '1'] = process.argv.slice(2);
const { private_key: pem }: { private_key: string } = JSON.parse(await readFile(credentialsFile, 'utf8'));
const key = createPrivateKey(pem);

const end = performance.now() + Number(seconds) * 1000;
const started = performance.now();
let signatures = 0;
while (performance.now() < end) {
  sign('RSA-SHA256', Buffer.from(`GOOG4-RSA-SHA256\n${signatures}`), key);
  signatures += 1;
}
process.stdout.write(String((signatures * 1000) / (performance.now() - started)));
