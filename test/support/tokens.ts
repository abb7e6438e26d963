import jwt, { type SignOptions } from 'jsonwebtoken';

export const TEST_SECRET = 'a secret that only the tests know, 32 bytes or more';

export function tokenFor(subject: string, options: SignOptions = {}): string {
  return jwt.sign({}, TEST_SECRET, { algorithm: 'HS256', subject, expiresIn: 600, ...options });
}
