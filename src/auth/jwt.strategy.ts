import { Inject, Injectable } from '@nestjs/common';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { APP_CONFIG, type AppConfig } from '../config/app-config.js';
import { SECRETS, type Secrets } from '../config/secrets.js';
import { jwtKeyOptions } from './jwt-key.js';

/** Verifies the bearer token: signature, `exp`, `nbf`, and `iss` and `aud` where configured. */
@Injectable()
export class JwtStrategy extends Strategy {
  constructor(@Inject(APP_CONFIG) config: AppConfig, @Inject(SECRETS) secrets: Secrets) {
    super(
      {
        jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
        ...jwtKeyOptions(config, secrets),
        ...(config.auth.issuer === null ? {} : { issuer: config.auth.issuer }),
        ...(config.auth.audience === null ? {} : { audience: config.auth.audience }),
      },
      // Whom the claims stand for is the guard's question; here they only have to be genuine.
      (claims: object, done) => done(null, claims),
    );
  }
}
