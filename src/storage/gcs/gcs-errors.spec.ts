import { describe, expect, it } from 'vitest';
import { ObjectNotFoundError, StorageUnavailableError } from '../storage.errors.js';
import { DeadlineError } from './deadline.js';
import { isTransient, PreconditionFailedError, translateError } from './gcs-errors.js';

function failure(members: object, message = 'Something is wrong'): Error {
  return Object.assign(new Error(message), members);
}

describe(isTransient.name, () => {
  it.each([
    ['too many requests', failure({ code: 429 })],
    ['a fault of the server', failure({ code: 503 })],
    ['a fault of the server, as the auth library words it', failure({ status: 500, code: '500' })],
    ['a connection that was reset', failure({ code: 'ECONNRESET' })],
    ['a name that cannot be looked up now', failure({ code: 'EAI_AGAIN' })],
    ['an answer that broke off', failure({ code: 'ERR_STREAM_PREMATURE_CLOSE' })],
    ['no answer in time', new DeadlineError(1000)],
    ['a network fault further down', failure({ cause: failure({ code: 'EPIPE' }) })],
  ])('is true of %s', (_, error) => {
    expect(isTransient(error)).toBe(true);
  });

  it.each([
    ['a request that is wrong', failure({ code: 400 })],
    ['a missing right', failure({ code: 403 })],
    ['an object that is not there', failure({ code: 404 })],
    ['a condition that does not hold', failure({ code: 412 })],
    ['a key file that is not there', failure({ code: 'ENOENT' })],
    ['missing credentials', new Error('Could not load the default credentials')],
    ['a mistake in the code', new TypeError('x is not a function')],
    ['what is no error', 'ECONNRESET'],
  ])('is false of %s', (_, error) => {
    expect(isTransient(error)).toBe(false);
  });
});

describe(translateError.name, () => {
  it.each([
    [ObjectNotFoundError, failure({ code: 404 }, 'No such object: bucket/key')],
    [PreconditionFailedError, failure({ code: 412 })],
    [StorageUnavailableError, failure({ code: 404 }, 'The specified bucket does not exist.')],
    [StorageUnavailableError, failure({ code: 403 })],
    [StorageUnavailableError, failure({ code: 'ECONNREFUSED' })],
  ])('makes %o of the fitting failure, and keeps it as the cause', (expected, cause) => {
    const error = translateError('stat', cause);

    expect(error).toBeInstanceOf(expected);
    expect(error.cause).toBe(cause);
  });
});
