import { Entity, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';

/** Somebody who has been seen with a valid token: the token's subject, under an id of our own. */
@Entity({ tableName: 'user_profiles' })
export class UserProfile {
  @PrimaryKey({ type: 'uuid' })
  id: string;

  /** The JWT's `sub`, as it came. */
  @Property({ type: 'text' })
  @Unique({ name: 'user_profiles_user_info_id_key' })
  userInfoId: string;

  @Property({ type: 'datetime', length: 6, defaultRaw: 'now()' })
  createdAt: Date;

  constructor(properties: { id: string; userInfoId: string; createdAt: Date }) {
    this.id = properties.id;
    this.userInfoId = properties.userInfoId;
    this.createdAt = properties.createdAt;
  }
}
