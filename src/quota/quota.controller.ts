import { Controller, Get } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentUser } from '../common/principal.js';
import { ApiUserProblems } from '../common/openapi.js';
import { QuotaDto } from './dto/quota.dto.js';
import { QuotaService } from './quota.service.js';

@ApiTags('quota')
@ApiBearerAuth()
@Controller('quota')
export class QuotaController {
  constructor(private readonly quota: QuotaService) {}

  @Get()
  @ApiOperation({
    summary: 'How much may I still store?',
    description:
      'The ledger of the user: the limit, what live files use, and what uploads under way have reserved.',
  })
  @ApiOkResponse({ type: QuotaDto, description: 'The ledger as of now.' })
  @ApiUserProblems('user_not_found')
  async read(@CurrentUser() userId: string): Promise<QuotaDto> {
    return new QuotaDto(await this.quota.read(userId));
  }
}
