import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../config/parse-environment.js';
import { readServiceAccountKey } from './service-account-key.js';

const PRIVATE_KEY = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const KEY = {
  type: 'service_account',
  project_id: 'some-project',
  client_email: 'mediadock@some-project.iam.gserviceaccount.com',
  private_key: PRIVATE_KEY,
};

describe(readServiceAccountKey.name, () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mediadock-key-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  async function write(content: string): Promise<string> {
    const path = join(folder, 'key.json');
    await writeFile(path, content);
    return path;
  }

  it('takes what it needs of a key file', async () => {
    expect(await readServiceAccountKey(await write(JSON.stringify(KEY)))).toEqual({
      clientEmail: KEY.client_email,
      privateKey: PRIVATE_KEY,
      projectId: 'some-project',
    });
  });

  it('says that there is no such file', async () => {
    await expect(readServiceAccountKey(join(folder, 'none.json'))).rejects.toThrow(
      /GCS_CREDENTIALS_FILE cannot be read/,
    );
  });

  it.each([
    ['something that is not JSON', '-----BEGIN PRIVATE KEY-----'],
    ['JSON that is no object', 'null'],
    ['the credentials of a person', JSON.stringify({ type: 'authorized_user', refresh_token: 'token' })],
    ['a key that is cut short', JSON.stringify({ ...KEY, private_key: PRIVATE_KEY.slice(0, 200) })],
  ])('refuses %s without repeating it', async (_, content) => {
    const failure = await readServiceAccountKey(await write(content)).catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(ConfigError);
    expect(String(failure)).toContain('GCS_CREDENTIALS_FILE');
    expect(String(failure)).not.toContain('BEGIN PRIVATE KEY');
  });
});
