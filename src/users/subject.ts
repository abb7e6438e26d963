const MAX_SUBJECT_LENGTH = 255;
// PostgreSQL text cannot hold NUL, and no identity provider issues control characters or lone surrogates.
const UNUSABLE = /[\p{Cc}\p{Cs}]/u;

/** True for a `sub` that can name a profile: 1 to 255 characters, no control characters. */
export function isUsableSubject(subject: unknown): subject is string {
  return (
    typeof subject === 'string' &&
    subject.length > 0 &&
    subject.length <= MAX_SUBJECT_LENGTH &&
    !UNUSABLE.test(subject)
  );
}
