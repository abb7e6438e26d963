import { parseEnvironment } from '../../src/config/parse-environment.js';
import { GcsObjectStorage } from '../../src/storage/gcs/gcs-object-storage.js';
import { startGcs } from '../support/gcs/start-gcs.js';
import { describeObjectStorage, type ObjectStorageSubject } from './object-storage.contract.js';

describeObjectStorage(GcsObjectStorage.name, () => startSubject('public'));

describeObjectStorage(`${GcsObjectStorage.name} with private access`, () => startSubject('private'));

async function startSubject(access: 'public' | 'private'): Promise<ObjectStorageSubject> {
  const gcs = await startGcs({ access });
  const config = parseEnvironment(gcs.environment);
  return { storage: await GcsObjectStorage.fromConfig(config.storage), close: () => gcs.close() };
}
