import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../../config/parse-environment.js';

/** The parts of a service account's key file that are of use here. */
export interface ServiceAccountKey {
  readonly clientEmail: string;
  /** PEM. */
  readonly privateKey: string;
  readonly projectId?: string;
}

/**
 * Reads a service account's key file as Google hands it out.
 *
 * @throws ConfigError that names what is wrong with it, without its content
 */
export async function readServiceAccountKey(path: string): Promise<ServiceAccountKey> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    // The parser would quote the file.
    const reason = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new ConfigError([`GCS_CREDENTIALS_FILE ${reason}: ${path}`]);
  }
  const { client_email, private_key, project_id } = Object.assign(
    { client_email: undefined, private_key: undefined, project_id: undefined },
    content,
  ) as Record<string, unknown>;
  if (typeof client_email !== 'string' || typeof private_key !== 'string' || !isPrivateKey(private_key)) {
    throw new ConfigError([
      `GCS_CREDENTIALS_FILE must be the key file of a service account: ${path}. For any other kind of credentials, leave it out and set GOOGLE_APPLICATION_CREDENTIALS`,
    ]);
  }
  return {
    clientEmail: client_email,
    privateKey: private_key,
    ...(typeof project_id === 'string' && { projectId: project_id }),
  };
}

function isPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}
