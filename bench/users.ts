import type { Client } from 'pg';
import jwt from 'jsonwebtoken';
import { v7 as uuidv7 } from 'uuid';
import { TEST_SECRET } from '../test/support/tokens.js';

export interface BenchUser {
  readonly id: string;
  readonly token: string;
}

/** More than a run can use up: the quota is enforced, and never in the way. */
const LIMIT_BYTES = 1e15;
const TOKEN_SECONDS = 24 * 60 * 60;

/** Makes the same users, with profile and ledger, in every one of these databases. */
export async function makeUsers(count: number, databases: readonly Client[]): Promise<BenchUser[]> {
  const users = Array.from({ length: count }, () => {
    const id = uuidv7();
    return { id, token: jwt.sign({}, TEST_SECRET, { subject: `bench-${id}`, expiresIn: TOKEN_SECONDS }) };
  });
  for (const database of databases) {
    await database.query(
      `with profiles as (
         insert into user_profiles (id, user_info_id) select id, 'bench-' || id from unnest($1::uuid[]) as u (id)
         returning id)
       insert into storage_quotas (user_id, limit_bytes) select id, $2 from unnest($1::uuid[]) as u (id)`,
      [users.map(({ id }) => id), LIMIT_BYTES],
    );
  }
  return users;
}
