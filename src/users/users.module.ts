import { MikroOrmModule } from '@mikro-orm/nestjs';
import { Module } from '@nestjs/common';
import { UserProfile } from './user-profile.entity.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [MikroOrmModule.forFeature([UserProfile])],
  providers: [UsersService],
  exports: [UsersService],
})
export class UsersModule {}
