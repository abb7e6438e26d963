import type { MediaFileDto } from '../../../src/media/dto/media-file.dto.js';
import { inWords, type ProblemWords } from '../answers.js';
import { aimed } from '../calls.js';
import type { PropertyUser, Told, UserCall } from '../property-user.js';
import type { Stage } from '../stage.js';
import { stepsSince, type WitnessedStep } from '../witness.js';
import { checkList, checkNew, checkOfFile, type KnownFile } from './judge.js';
import { type Bytes, faultOf, parseState, withoutWindow } from './rules.js';
import type { AnyCall, Round, Who } from './rounds.js';

type AimedCall =
  | UserCall
  | { readonly do: 'get'; readonly id: string }
  | { readonly do: 'list'; readonly status: string | null };

/** What was asked, and what was answered. */
interface Exchange {
  readonly who: Who;
  readonly call: AimedCall;
  readonly told: Told;
  readonly items: readonly MediaFileDto[];
}

/** Which transitions have been seen, over all runs. */
export type Seen = Set<string>;

/** Two users and a stranger, who may call anything about any file. */
export class MachineRun {
  private readonly files = new Map<string, KnownFile>();

  constructor(
    private readonly stage: Stage,
    private readonly people: readonly PropertyUser[],
    private readonly seen: Seen,
    private lastStep: number,
  ) {}

  /** @returns the number of the last step that was witnessed */
  async play(rounds: readonly Round[]): Promise<number> {
    for (const { turns, settle } of rounds) {
      const calls = turns.flatMap(({ who, call }) => {
        const found = this.aim(call);
        // Nobody can be the owner of a row.
        return found === null || (who === 2 && found.do === 'abandon') ? [] : [{ who, call: found }];
      });
      const exchanges = calls.map(({ who, call }) => this.make(who, call));
      await Promise.allSettled(exchanges);
      await this.judge(await Promise.all(exchanges));
      if (settle) {
        await this.stage.idle();
        await this.judge([]);
      }
    }
    await this.stage.idle();
    await this.judge([]);
    return this.lastStep;
  }

  private aim(call: AnyCall): AimedCall | null {
    const ids = [...this.files.keys()];
    const hasTicket = (id: string) => this.people.some(({ tickets }) => tickets.has(id));
    if (call.do === 'list') {
      return call;
    }
    if (call.do === 'get') {
      const found = aimed({ do: 'confirm', file: call.file }, ids, hasTicket);
      return found !== null && 'id' in found ? { do: 'get', id: found.id } : null;
    }
    return aimed(call, ids, hasTicket);
  }

  private async make(who: Who, call: AimedCall): Promise<Exchange> {
    const person = this.person(call.do === 'put' ? this.ownerOf(call.id) : who);
    switch (call.do) {
      case 'get': {
        const { status, body } = await person.client.get<ProblemWords & Partial<MediaFileDto>>(call.id);
        const outcome =
          status === 200
            ? `200 ${body.status} ${body.processingError}`
            : inWords(status, { code: body.code });
        return { who, call, told: { outcome, ids: [] }, items: [] };
      }
      case 'list': {
        const query = { limit: '100', ...(call.status === null ? {} : { status: call.status }) };
        const { status, body } = await person.client.list<
          ProblemWords & { readonly items?: readonly MediaFileDto[] }
        >(query);
        return { who, call, told: { outcome: inWords(status, body), ids: [] }, items: body.items ?? [] };
      }
      default:
        return { who, call, told: await person.make(call), items: [] };
    }
  }

  /** Holds what has happened since the last time against the rules, and the answers against what has happened. */
  private async judge(exchanges: readonly Exchange[]): Promise<void> {
    const steps = await stepsSince(this.stage.mediadock.database, this.lastStep);
    for (const file of this.files.values()) {
      file.states = file.states.slice(-1);
      file.fresh = false;
    }
    for (const step of steps) {
      this.follow(step);
    }
    for (const { who, call, told, items } of exchanges) {
      const complaint = this.complaintAbout(who, call, told, items, exchanges);
      if (complaint !== null) {
        const files = Object.fromEntries(this.files);
        throw new Error(
          `${complaint}\n${JSON.stringify({ who, call, told, items, exchanges, files }, null, 1)}`,
        );
      }
    }
    for (const { call, told } of exchanges) {
      this.learn(call, told, exchanges);
    }
  }

  private follow({ number, media_file_id: id, user_id: userId, before, after }: WitnessedStep): void {
    this.lastStep = Number(number);
    const fault = faultOf(before, after);
    if (fault !== null) {
      throw new Error(`File ${id}: ${fault}`);
    }
    const [from, to] = [withoutWindow(before ?? ''), withoutWindow(after)];
    if (from !== to) {
      this.seen.add(`${from} → ${to}`);
    }
    const owner = this.people.findIndex((person) => person.userId === userId);
    if (owner !== -1) {
      const file = this.files.get(id) ?? { owner, states: [], fresh: true, bytes: 'none' };
      file.states.push(parseState(after));
      this.files.set(id, file);
    }
  }

  private complaintAbout(
    who: Who,
    call: AimedCall,
    told: Told,
    items: readonly MediaFileDto[],
    exchanges: readonly Exchange[],
  ): string | null {
    if (call.do === 'expire' || call.do === 'sweep') {
      return null;
    }
    if (who === 2 && call.do !== 'put') {
      return told.outcome === '401 unauthenticated' ? null : 'Somebody without a token was let in';
    }
    if (call.do === 'list') {
      return told.outcome === '200' ? checkList(items, who, call.status, this.files) : 'A list was refused';
    }
    if ('id' in call) {
      const file = this.files.get(call.id);
      const bytes = contested(call.id, exchanges) ? 'unknown' : file?.bytes;
      return file === undefined || bytes === undefined
        ? 'A file without a history'
        : checkOfFile(call.do, told, who, file, bytes);
    }
    return checkNew(call, told, who, this.files);
  }

  private learn(call: AimedCall, told: Told, exchanges: readonly Exchange[]): void {
    const file = 'id' in call ? this.files.get(call.id) : undefined;
    if (file === undefined || !('id' in call)) {
      return;
    }
    const gone = file.states.some(({ deleted, status }) => deleted || status === 'failed');
    if (gone || contested(call.id, exchanges)) {
      file.bytes = 'unknown';
    } else {
      file.bytes = bytesAfter(call, told) ?? file.bytes;
    }
  }

  private ownerOf(id: string): number {
    return this.people.findIndex(({ tickets }) => tickets.has(id));
  }

  private person(index: number): PropertyUser {
    const person = this.people[index];
    if (person === undefined) {
      throw new Error(`There is no person ${index}`);
    }
    return person;
  }
}

/** Whether others may have had a hand in what became of a file's bytes. */
function contested(id: string, exchanges: readonly Exchange[]): boolean {
  const about = exchanges.filter(({ call }) => 'id' in call && call.id === id && call.do !== 'get');
  return about.length > 1 || exchanges.some(({ call }) => call.do === 'sweep');
}

function bytesAfter(call: AimedCall, { outcome }: Told): Bytes | null {
  if (call.do === 'put' && outcome === '200') {
    return call.right ? 'right' : 'wrong';
  }
  return call.do === 'confirm' && outcome.startsWith('415') ? 'none' : null;
}
