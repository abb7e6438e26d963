import { LocalObjectStorage } from '../../src/storage/local/local-object-storage.js';
import { startLocalStorage } from '../support/local-storage-server.js';
import { describeObjectStorage } from './object-storage.contract.js';

describeObjectStorage(LocalObjectStorage.name, () => startLocalStorage());

describeObjectStorage(`${LocalObjectStorage.name} with private access`, () =>
  startLocalStorage({ access: 'private' }),
);

describeObjectStorage(`${LocalObjectStorage.name} without hard links`, () =>
  startLocalStorage({ hardLinks: false }),
);
