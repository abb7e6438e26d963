import { SetMetadata } from '@nestjs/common';

export const IS_PUBLIC = 'mediadock:public';

/** Opens a route to requests without a bearer token. */
export const Public = () => SetMetadata(IS_PUBLIC, true);
