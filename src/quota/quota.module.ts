import { MikroOrmModule } from '@mikro-orm/nestjs';
import { Module } from '@nestjs/common';
import { QuotaController } from './quota.controller.js';
import { QuotaReconciler } from './quota-reconciler.js';
import { QuotaService } from './quota.service.js';
import { StorageQuota } from './storage-quota.entity.js';

@Module({
  imports: [MikroOrmModule.forFeature([StorageQuota])],
  controllers: [QuotaController],
  providers: [QuotaService, QuotaReconciler],
  exports: [QuotaService, QuotaReconciler],
})
export class QuotaModule {}
