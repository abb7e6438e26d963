import type { BucketMetadata } from '@google-cloud/storage';

export interface BucketNeeds {
  readonly bucket: string;
  readonly uploadBucket: string;
  readonly access: 'public' | 'private';
  /** Origins of the browsers that upload. */
  readonly corsOrigins: readonly string[];
}

/** What a bucket has to be for Mediadock to work in it, safely. */
export interface WantedBucket {
  readonly name: string;
  readonly cors: NonNullable<BucketMetadata['cors']>;
  /** Whether everything in it goes after a day. */
  readonly forgetsAfterOneDay: boolean;
  /** Whether Google keeps it closed, whatever else somebody grants. */
  readonly publicAccessPrevention: 'enforced' | 'inherited';
  /** Whether everybody may read an object whose name they know. */
  readonly isPublic: boolean;
}

/** For how long a browser may remember what a bucket allows. */
const CORS_MAX_AGE_SECONDS = 3600;
/** Exactly what a signed PUT carries: a header that is not in this list fails in every browser. */
const UPLOAD_HEADERS = ['Content-Type', 'x-goog-content-length-range', 'x-goog-if-generation-match'];
/** What scripts may learn of an image that they fetch. */
const READ_HEADERS = ['Content-Type', 'Content-Length', 'Content-Disposition', 'ETag'];

export function wantedBuckets({ bucket, uploadBucket, access, corsOrigins }: BucketNeeds): WantedBucket[] {
  const isPublic = access === 'public';
  return [
    {
      name: uploadBucket,
      cors: corsRules(corsOrigins, ['PUT'], UPLOAD_HEADERS),
      forgetsAfterOneDay: true,
      publicAccessPrevention: 'enforced',
      isPublic: false,
    },
    {
      name: bucket,
      cors: corsRules(corsOrigins, ['GET', 'HEAD'], READ_HEADERS),
      forgetsAfterOneDay: false,
      publicAccessPrevention: isPublic ? 'inherited' : 'enforced',
      isPublic,
    },
  ];
}

function corsRules(
  origin: readonly string[],
  method: string[],
  responseHeader: string[],
): NonNullable<BucketMetadata['cors']> {
  return origin.length === 0
    ? []
    : [{ origin: [...origin], method, responseHeader, maxAgeSeconds: CORS_MAX_AGE_SECONDS }];
}
