import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { newId } from '../common/new-id.js';
import { Database } from '../database/database.js';

/** Profiles never change and are never removed, so a known one needs no look-up; bounded, as subjects are not. */
const CACHED_PROFILES = 50_000;

/** From a token's subject to the profile that everything else hangs on. */
@Injectable()
export class UsersService {
  private readonly idsBySubject = new LRUCache<string, string>({ max: CACHED_PROFILES });

  constructor(
    private readonly database: Database,
    @Inject(APP_CONFIG) private readonly config: AppConfig,
  ) {}

  /** The profile's id; with `USER_PROVISIONING=manual` null for a subject that nobody has added. */
  async resolve(subject: string): Promise<string | null> {
    const cached = this.idsBySubject.get(subject);
    if (cached !== undefined) {
      return cached;
    }
    const id =
      (await this.find(subject)) ??
      (this.config.auth.provisioning === 'auto' ? (await this.add(subject)).id : null);
    if (id !== null) {
      this.idsBySubject.set(subject, id);
    }
    return id;
  }

  /** Makes the profile unless it is there; safe to call any number of times at once. */
  async add(subject: string): Promise<{ id: string; created: boolean }> {
    const id = newId();
    const inserted = await this.database.first(sql<{ id: string }>`
      insert into user_profiles (id, user_info_id) values (${id}, ${subject})
      on conflict (user_info_id) do nothing
      returning id`);
    if (inserted) {
      return { id, created: true };
    }
    const existing = await this.find(subject);
    if (existing === null) {
      throw new Error('A profile that was in the way is gone: profiles must not be removed');
    }
    return { id: existing, created: false };
  }

  private async find(subject: string): Promise<string | null> {
    const row = await this.database.first(sql<{ id: string }>`
      select id from user_profiles where user_info_id = ${subject}`);
    return row?.id ?? null;
  }
}
