import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { emptyReply, jsonReply, type StorageReply, type StorageRequest } from './http-messages.js';
import { StorageFault } from './storage-fault.js';

const METADATA = '/computeMetadata/v1/';

/**
 * A service account, and the services of Google that vouch for it: the metadata server, which hands out tokens to the
 * machine it runs on, and `signBlob` of the IAM Credentials API, which signs for those who have one.
 */
export class GoogleIdentity {
  readonly projectId = 'test-project';
  readonly email = 'mediadock@test-project.iam.gserviceaccount.com';
  readonly publicKey: KeyObject;
  /** As long as Google's: an access ID of 61 characters, a secret of 40. */
  readonly hmacKey = {
    accessId: `GOOG1E${randomBytes(28).toString('hex').slice(1).toUpperCase()}`,
    secret: randomBytes(30).toString('base64'),
  };
  private readonly privateKey: KeyObject;
  private readonly token = randomBytes(16).toString('hex');

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.publicKey = publicKey;
    this.privateKey = privateKey;
  }

  /** The key file, as Google would hand it out. */
  keyFile(tokenUri: string): string {
    return JSON.stringify({
      type: 'service_account',
      project_id: this.projectId,
      private_key_id: randomBytes(20).toString('hex'),
      private_key: this.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: this.email,
      client_id: '100000000000000000000',
      token_uri: tokenUri,
    });
  }

  /** @throws StorageFault unless the request carries the token */
  requireToken({ headers }: StorageRequest): void {
    if (headers.authorization !== `Bearer ${this.token}`) {
      throw StorageFault.unauthorized();
    }
  }

  /** Null when this is no request for an identity service. */
  async answer(request: StorageRequest): Promise<StorageReply | null> {
    if (request.path.startsWith(METADATA)) {
      return this.metadata(request.path.slice(METADATA.length));
    }
    if (request.path.endsWith(':signBlob')) {
      this.requireToken(request);
      return this.signBlob(request);
    }
    return null;
  }

  private metadata(name: string): StorageReply {
    const flavor = { 'metadata-flavor': 'Google', 'content-type': 'application/text' };
    const plain = (value: string): StorageReply => ({
      status: 200,
      headers: flavor,
      body: Buffer.from(value),
    });
    switch (name) {
      case 'instance/service-accounts/default/token': {
        const reply = jsonReply({ access_token: this.token, expires_in: 3600, token_type: 'Bearer' });
        return { ...reply, headers: { ...reply.headers, ...flavor } };
      }
      case 'instance/service-accounts/default/email':
        return plain(this.email);
      case 'project/project-id':
        return plain(this.projectId);
      case 'instance':
      case 'instance/':
        return plain('');
      default:
        return emptyReply(404, flavor);
    }
  }

  private async signBlob(request: StorageRequest): Promise<StorageReply> {
    if (!decodeURIComponent(request.path).endsWith(`/${this.email}:signBlob`)) {
      throw StorageFault.accessDenied('No right to sign for this account.');
    }
    const { payload }: { readonly payload: string } = JSON.parse(await text(request.body));
    const signature = sign('RSA-SHA256', Buffer.from(payload, 'base64'), this.privateKey);
    return jsonReply({ keyId: '1', signedBlob: signature.toString('base64') });
  }
}
