import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  PayloadTooLargeException,
} from '@nestjs/common';
import { catchError, type Observable } from 'rxjs';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { ProblemError } from '../common/problem.js';

/** Gives the multipart parser's "too large" the code that it has in our catalogue. */
@Injectable()
export class DirectUploadLimitInterceptor implements NestInterceptor {
  constructor(@Inject(APP_CONFIG) private readonly config: AppConfig) {}

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        if (error instanceof PayloadTooLargeException) {
          const { directUploadMaxBytes } = this.config.media;
          throw new ProblemError(
            'file_too_large',
            `A direct upload may have at most ${directUploadMaxBytes} bytes: request an upload URL instead`,
          );
        }
        throw error;
      }),
    );
  }
}
