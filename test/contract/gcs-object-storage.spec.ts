import { parseEnvironment } from '../../src/config/parse-environment.js';
import { GcsObjectStorage } from '../../src/storage/gcs/gcs-object-storage.js';
import { startGcs } from '../support/gcs/start-gcs.js';
import { describeObjectStorage, type ObjectStorageSubject } from './object-storage.contract.js';

describeObjectStorage(GcsObjectStorage.name, () => startSubject('public'));

describeObjectStorage(`${GcsObjectStorage.name} with private access`, () => startSubject('private'));

describeObjectStorage(`${GcsObjectStorage.name} with private access and an HMAC key`, () =>
  startSubject('private', true),
);

async function startSubject(
  access: 'public' | 'private',
  usesHmacKey = false,
): Promise<ObjectStorageSubject> {
  const gcs = await startGcs({ access });
  const config = parseEnvironment({ ...gcs.environment, ...(usesHmacKey && gcs.hmacEnvironment) });
  return { storage: await GcsObjectStorage.fromConfig(config.storage), close: () => gcs.close() };
}
