import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { ProblemError } from '../common/problem.js';
import type { Claim, IdempotencySlot } from './claim.js';
import { fingerprint } from './fingerprint.js';
import { type Finding, IdempotencyRepository, type StoredAnswer } from './idempotency.repository.js';

export interface IdempotentRequest {
  readonly userId: string;
  /** Method and route template. */
  readonly route: string;
  /** Null when the client sent none: then nothing is looked up, and nothing is kept. */
  readonly key: string | null;
  /** What has to be the same the next time; only asked for when there is a key. */
  readonly body: () => unknown;
}

export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
  /** False for an answer that part of it may yet become better: it is given, and not kept. */
  readonly final: boolean;
}

/** How to carry a request out, from wherever an earlier one with the same key has left it. */
export interface IdempotentWork<Body> {
  /**
   * From the beginning. The statement that makes rows proves the claim and writes their ids down, see `claim.ts`.
   * Whatever it throws lets go of the key, unless rows were made.
   */
  start(claim: Claim | null): Promise<Answer<Body>>;
  /** The rows are there, and were never answered; null when they are of no use any more. */
  resume(mediaFileIds: readonly (string | null)[]): Promise<Answer<Body> | null>;
}

export interface Reply<Body> {
  readonly status: number;
  /** A string is JSON, to be sent as it is. */
  readonly body: Body | string;
  /** Whether an earlier request was answered with this. */
  readonly replayed: boolean;
}

/** Each round begins with somebody else's progress, so this many are a fault, not a race. */
const MAX_ROUNDS = 5;
const RETRY_AFTER_SECONDS = 1;

/** Carries a request out once, however often it is sent under the same key. */
@Injectable()
export class IdempotencyService {
  private readonly logger = new Logger(IdempotencyService.name);

  constructor(private readonly keys: IdempotencyRepository) {}

  /** @throws ProblemError `idempotency_conflict`, `idempotency_in_flight`, and whatever the work throws */
  async run<Body>(request: IdempotentRequest, work: IdempotentWork<Body>): Promise<Reply<Body>> {
    const { userId, route, key } = request;
    if (key === null) {
      const { status, body } = await work.start(null);
      return { status, body, replayed: false };
    }
    const slot: IdempotencySlot = { userId, route, key };
    const print = fingerprint(route, request.body());
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const finding = await this.keys.claim(slot, print, randomUUID());
      const reply = finding && (await this.act(finding, work));
      if (reply !== null) {
        return reply;
      }
    }
    throw inFlight();
  }

  /** Null when things have moved on meanwhile: then look again. */
  private async act<Body>(finding: Finding, work: IdempotentWork<Body>): Promise<Reply<Body> | null> {
    switch (finding.state) {
      case 'claimed':
        return this.start(finding.claim, work);
      case 'unanswered':
        return this.resume(finding.claim, finding.mediaFileIds, work);
      case 'answered':
        return replay(finding.answer);
      case 'in_flight':
        throw inFlight();
      case 'other_body':
        throw new ProblemError(
          'idempotency_conflict',
          'This Idempotency-Key came with another request before: use a new key for a new request',
        );
    }
  }

  private async start<Body>(claim: Claim, work: IdempotentWork<Body>): Promise<Reply<Body> | null> {
    let answer: Answer<Body>;
    try {
      answer = await work.start(claim);
    } catch (error) {
      if (await this.letGo(claim)) {
        throw error;
      }
      // The claim was lost, so what failed was not the request: whoever has it now knows the answer.
      return null;
    }
    return this.keep(claim, answer);
  }

  private async resume<Body>(
    claim: Claim,
    mediaFileIds: readonly (string | null)[],
    work: IdempotentWork<Body>,
  ): Promise<Reply<Body> | null> {
    const answer = await work.resume(mediaFileIds);
    if (answer !== null) {
      return this.keep(claim, answer);
    }
    const anew = await this.keys.restart(claim, randomUUID());
    return anew && this.start(anew, work);
  }

  /** Of several requests that answer at once, the first one's answer is everybody's. */
  private async keep<Body>(claim: Claim, { status, body, final }: Answer<Body>): Promise<Reply<Body>> {
    const json = JSON.stringify(body);
    const own = { status, body: json, replayed: false };
    if (!final) {
      await this.keys.release(claim);
      return own;
    }
    if (await this.keys.complete(claim, { status, json })) {
      return own;
    }
    const kept = await this.keys.find(claim.slot);
    return kept?.answer ? replay(kept.answer) : own;
  }

  /** @returns false when there is nothing to let go of: somebody else has the claim, or has answered for us */
  private async letGo(claim: Claim): Promise<boolean> {
    try {
      if (await this.keys.release(claim)) {
        return true;
      }
      const kept = await this.keys.find(claim.slot);
      return kept !== null && kept.owner === claim.owner && kept.answer === null;
    } catch (error) {
      // The lease runs out by itself; what the client has to hear is why the request failed.
      this.logger.warn({ err: error }, 'An idempotency key could not be released');
      return true;
    }
  }
}

function replay({ status, json }: StoredAnswer): Reply<never> {
  return { status, body: json, replayed: true };
}

function inFlight(): ProblemError {
  return new ProblemError(
    'idempotency_in_flight',
    'A request with this Idempotency-Key is being carried out: repeat it in a moment to get its answer',
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
}
