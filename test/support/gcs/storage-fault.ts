/** A refusal in the words of Cloud Storage: with a code for the XML API and a reason for the JSON API. */
export class StorageFault extends Error {
  override readonly name = 'StorageFault';

  constructor(
    readonly status: number,
    /** As in "HTTP status and error codes for XML". */
    readonly code: string,
    /** As in "HTTP status and error codes for JSON". */
    readonly reason: string,
    message: string,
    readonly details = '',
  ) {
    super(message);
  }

  static noSuchBucket(): StorageFault {
    return new StorageFault(404, 'NoSuchBucket', 'notFound', 'The specified bucket does not exist.');
  }

  static noSuchObject(bucket: string, name: string): StorageFault {
    return new StorageFault(404, 'NoSuchKey', 'notFound', `No such object: ${bucket}/${name}`);
  }

  static preconditionFailed(): StorageFault {
    return new StorageFault(
      412,
      'PreconditionFailed',
      'conditionNotMet',
      'At least one of the pre-conditions you specified did not hold.',
    );
  }

  static accessDenied(details: string): StorageFault {
    return new StorageFault(403, 'AccessDenied', 'forbidden', 'Access denied.', details);
  }

  static unauthorized(): StorageFault {
    return new StorageFault(401, 'AuthenticationRequired', 'authError', 'Invalid Credentials');
  }

  static invalid(message: string): StorageFault {
    return new StorageFault(400, 'InvalidArgument', 'invalid', message);
  }

  static malformedHeader(header: string, details: string): StorageFault {
    return new StorageFault(
      400,
      'MalformedSecurityHeader',
      'invalid',
      `Your request has a malformed header: ${header}`,
      details,
    );
  }

  static invalidRange(): StorageFault {
    return new StorageFault(
      416,
      'InvalidRange',
      'requestedRangeNotSatisfiable',
      'The requested range cannot be satisfied.',
    );
  }

  static unavailable(status = 503): StorageFault {
    return new StorageFault(
      status,
      'ServiceUnavailable',
      'backendError',
      'We encountered an internal error. Try again.',
    );
  }
}
