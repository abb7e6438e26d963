import 'reflect-metadata';
import { defineConfig } from '@mikro-orm/postgresql';
import { ormOptions } from './src/database/orm-options.js';
import { MediaFileSchema } from './src/media/media-file.schema.js';
import { StorageQuota } from './src/quota/storage-quota.entity.js';
import { UserProfile } from './src/users/user-profile.entity.js';

/** For the MikroORM command line (`npx mikro-orm migration:pending` and the like), against `DATABASE_URL`. */
const config = defineConfig({
  ...ormOptions(process.env['DATABASE_URL'] ?? 'postgresql://localhost:5432/mediadock', 2),
  entities: [UserProfile, StorageQuota, MediaFileSchema],
});

export default config;
