/** What an answer may hold that tells it from another one of the same status. */
export interface ProblemWords {
  readonly code?: string | undefined;
  readonly currentStatus?: string;
}

/** An answer in a few words: its status, then what else it says that is part of the contract. */
export function inWords(status: number, { code, currentStatus }: ProblemWords): string {
  return [status, code, currentStatus].filter((word) => word !== undefined).join(' ');
}
