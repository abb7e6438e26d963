import { Controller, Get, HttpStatus, Logger, Put, Req, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiQuery,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { SkipThrottle } from '@nestjs/throttler';
import type { Request, Response } from 'express';
import { ApiProblems } from '../../common/openapi.js';
import { ProblemError } from '../../common/problem.js';
import { Public } from '../../common/public.decorator.js';
import { InvalidObjectKeyError, ObjectNotFoundError } from '../storage.errors.js';
import { discardBody } from './discard-body.js';
import { LocalObjectStorage, type UploadTerms } from './local-object-storage.js';
import { LengthMismatchError, ObjectExistsError, UploadInterruptedError } from './local-upload.errors.js';
import type { StoredObject } from './object-files.js';
import { RangeNotSatisfiableError, serveObject } from './serve-object.js';

const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];

const KEY = {
  name: 'key',
  type: 'string',
  description: 'The key of the object, with its slashes.',
  example:
    'users/0199f0c2-7d1e-7a30-9c55-0d6f4f0f9a11/image/2026/11/0199f0c2-9a4b-7cc1-8d2e-6b1a5c3f7e22.jpg',
};

const EXPIRES = {
  name: 'expires',
  type: 'integer',
  description: 'When the URL ends to be valid, in seconds since 1970. Part of every signed URL.',
  example: 1_795_000_000,
};

const SIGNATURE = {
  name: 'signature',
  type: 'string',
  description: 'HMAC-SHA256 over all that is signed, base64url. Part of every signed URL.',
  example: 'Zk3vJ0m1yqk5WcX2mS8a7T4uL9pQe6Rd1bNfHgVtYxo',
};

/**
 * The far end of the URLs that `LocalObjectStorage` signs. It answers with the statuses of a Google Cloud Storage signed
 * URL, so that a client works with both. Neither bearer tokens nor rate limits apply: the signature is the permission.
 */
@Public()
@SkipThrottle()
@ApiTags('storage')
@Controller('storage')
export class LocalStorageController {
  private readonly logger = new Logger(LocalStorageController.name);

  constructor(private readonly storage: LocalObjectStorage) {}

  @Put('uploads/*key')
  @ApiOperation({
    summary: 'Put the bytes of an upload',
    description:
      'The target of `uploadUrl` when files are kept on the local disk. The URL is good for one object, one type, one ' +
      'exact length and one time; send the `uploadHeaders`, `content-type` among them, exactly as given. The body is the file itself.',
  })
  @ApiParam(KEY)
  @ApiQuery(EXPIRES)
  @ApiQuery(SIGNATURE)
  @ApiHeader({
    name: 'x-goog-content-length-range',
    required: true,
    description: 'The signed length in bytes, as lower and upper bound.',
    example: '2048,2048',
  })
  @ApiHeader({
    name: 'x-goog-if-generation-match',
    required: true,
    description: 'Always `0`: there must be no object yet.',
    example: '0',
  })
  @ApiConsumes(...IMAGE_TYPES)
  @ApiBody({ description: 'The bytes of the file.', schema: { type: 'string', format: 'binary' } })
  @ApiOkResponse({
    description: 'The bytes are stored.',
    headers: { ETag: { description: 'Version of the stored bytes.', schema: { type: 'string' } } },
  })
  @ApiProblems(
    'validation_failed',
    'signed_header_missing',
    'signature_invalid',
    'signature_expired',
    'length_required',
    'length_mismatch',
    'object_exists',
    'storage_unavailable',
  )
  async upload(@Req() request: Request, @Res() response: Response): Promise<void> {
    try {
      const terms = this.authorizeUpload(request);
      // Giving up must not destroy the request: the answer goes out over the same socket.
      const body = request.iterator({ destroyOnReturn: false });
      const { generation } = await this.storage.receiveUpload(keyOf(request), body, terms);
      response.status(HttpStatus.OK).set('ETag', `"${generation}"`).end();
    } catch (error) {
      if (error instanceof UploadInterruptedError) {
        return;
      }
      discardBody(request);
      throw asProblem(error);
    }
  }

  @Get('media/*key')
  @ApiOperation({
    summary: 'Read a verified object',
    description:
      'The target of `publicUrl`, `thumbnailUrl` and `mediumUrl` when files are kept on the local disk. Understands ' +
      'ranges and conditional requests. The signed query is there, and needed, with private access only.',
  })
  @ApiParam(KEY)
  @ApiQuery({ ...EXPIRES, required: false })
  @ApiQuery({ ...SIGNATURE, required: false })
  @ApiProduces(...IMAGE_TYPES)
  @ApiOkResponse({ description: 'The bytes of the file.', schema: { type: 'string', format: 'binary' } })
  @ApiResponse({
    status: 206,
    description: 'The range that was asked for.',
    content: Object.fromEntries(
      ['image/jpeg', 'image/png', 'image/gif', 'image/webp'].map((type) => [
        type,
        { schema: { type: 'string', format: 'binary' } },
      ]),
    ),
  })
  @ApiResponse({ status: 304, description: 'The client has it already.' })
  @ApiResponse({ status: 412, description: 'A condition of the client does not hold.' })
  @ApiProblems(
    'validation_failed',
    'signature_invalid',
    'signature_expired',
    'object_not_found',
    'range_not_satisfiable',
    'internal',
    'storage_unavailable',
  )
  async read(@Req() request: Request, @Res() response: Response): Promise<void> {
    try {
      const key = keyOf(request);
      const cacheControl = this.authorizeRead(key, request);
      await serveObject(response, await this.find(key), cacheControl);
    } catch (error) {
      if (response.headersSent) {
        this.logger.warn({ err: error }, 'A download broke off because its file could not be read further');
        return;
      }
      throw asProblem(error);
    }
  }

  private async find(key: string): Promise<StoredObject> {
    const found = await this.storage.findMedia(key);
    if (found === null) {
      throw new ObjectNotFoundError('read');
    }
    return found;
  }

  private authorizeUpload(request: Request): UploadTerms {
    const contentType = signedHeader(request, 'content-type');
    const contentLengthRange = signedHeader(request, 'x-goog-content-length-range');
    const ifGenerationMatch = signedHeader(request, 'x-goog-if-generation-match');
    const { expires, signature } = signedQuery(request);
    const facts = { key: keyOf(request), expires, contentType, contentLengthRange, ifGenerationMatch };
    if (!this.storage.signer.verifyUpload(facts, signature)) {
      throw signatureInvalid();
    }
    requireUnexpired(expires);
    const contentLength = Number.parseInt(contentLengthRange, 10);
    requireDeclaredLength(request, contentLength);
    return { contentLength };
  }

  /** @returns the `Cache-Control` for the answer */
  private authorizeRead(key: string, request: Request): string {
    if (this.storage.access === 'public') {
      return 'public, max-age=31536000, immutable';
    }
    const { expires, signature } = signedQuery(request);
    if (!this.storage.signer.verifyRead({ key, expires }, signature)) {
      throw signatureInvalid();
    }
    return `private, max-age=${requireUnexpired(expires)}, immutable`;
  }
}

/**
 * The key as it stands in the path, escaped again after Express has unescaped it. A key needs no escaping, so this
 * changes none, while a slash that was hidden as `%2F` stays hidden and the result is no key.
 */
function keyOf(request: Request): string {
  return [request.params['key'] ?? []].flat().map(encodeURIComponent).join('/');
}

function signedHeader(request: Request, name: string): string {
  const value = request.get(name);
  if (value === undefined) {
    throw new ProblemError(
      'signed_header_missing',
      `The header ${name} is part of the signature and must be sent`,
    );
  }
  return value;
}

/** These two and no others: a cloud store signs the whole query, so one more parameter is another URL. */
function signedQuery(request: Request): { expires: number; signature: string } {
  const { expires, signature, ...others } = request.query;
  if (Object.keys(others).length > 0) {
    throw signatureInvalid();
  }
  if (typeof expires !== 'string' || !/^[1-9]\d{0,11}$/.test(expires) || typeof signature !== 'string') {
    throw signatureInvalid();
  }
  return { expires: Number(expires), signature };
}

function signatureInvalid(): ProblemError {
  return new ProblemError(
    'signature_invalid',
    'The signature does not match the method, URL and headers of this request. Send the given headers unchanged',
  );
}

/** @returns the seconds that are left */
function requireUnexpired(expires: number): number {
  const left = expires - Math.floor(Date.now() / 1000);
  if (left <= 0) {
    throw new ProblemError('signature_expired', 'This URL was valid for a limited time, which is over');
  }
  return left;
}

/** Refuses a wrong length by what is declared, before a byte is read; a chunked body is counted while it comes in. */
function requireDeclaredLength(request: Request, contentLength: number): void {
  const declared = request.get('content-length');
  if (declared === undefined && request.get('transfer-encoding') === undefined) {
    throw new ProblemError('length_required', 'Send a Content-Length');
  }
  if (declared !== undefined && Number(declared) !== contentLength) {
    throw new LengthMismatchError();
  }
}

/** What a client may be told; everything else passes, for the error filter to deal with. */
function asProblem(error: unknown): unknown {
  if (error instanceof ObjectExistsError) {
    return new ProblemError('object_exists', 'This URL was used already', {}, { cause: error });
  }
  if (error instanceof LengthMismatchError) {
    return new ProblemError(
      'length_mismatch',
      'The body must have exactly the signed length',
      {},
      { cause: error },
    );
  }
  if (error instanceof ObjectNotFoundError || error instanceof InvalidObjectKeyError) {
    return new ProblemError('object_not_found', 'There is no object at this URL', {}, { cause: error });
  }
  if (error instanceof RangeNotSatisfiableError) {
    return new ProblemError(
      'range_not_satisfiable',
      'The range is not within the object',
      {},
      { cause: error },
    );
  }
  return error;
}
