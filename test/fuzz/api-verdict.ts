import { tmpdir } from 'node:os';
import { PROBLEMS } from '../../src/common/problem.js';
import { operationsOf } from '../support/openapi-document.js';
import { type Answer } from '../support/api-client.js';
import { PROBLEM_JSON } from '../support/openapi-problem.js';
import { valueOf, type WireAnswer } from './api-answers.js';
import { type Draft, headerOf } from './api-draft.js';
import { BUCKETS, CANARY_MARK, type Ground } from './api-ground.js';
import { INJECTED_HEADER } from './api-values.js';
import type { Exchange, Shot } from './api-wire.js';

/** What stands in an answer only when the inside has got out. */
const INSIDES: readonly RegExp[] = [
  /\n\s+at /,
  /node_modules/,
  /\.(ts|js|mjs|cjs):\d+/,
  /users\/[0-9a-f]{8}-[0-9a-f-]{27}\//,
  /\b(select|insert|update|delete)\b.*\b(from|into|set|where)\b/i,
  /\b(relation|constraint|column) "/,
  /invalid input syntax|syntax error|duplicate key|ECONNREFUSED|ENOENT|EACCES|ENAMETOOLONG|ENOTDIR/,
  /\b(TypeError|RangeError|SyntaxError|ReferenceError)\b|is not a function|Cannot read propert/,
];
const MEMBERS = new Set(['type', 'title', 'status', 'detail', 'instance', 'code', 'errors', 'currentStatus']);
/** What we let into our logs as the id of a request, or make ourselves. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;
/** A token shorter than this is in many a text by chance. */
const LONG_HEAD_BYTES = 15_000;
const TELLING_TOKEN = 16;

/** A part that does not answer for so long counts as down; on a disk that is kept busy, that is the truth. */
const PROBE_TIMEOUT_MS = 3_000;

/** Says what is wrong with what was answered, whatever was asked. */
export class Verdict {
  private readonly insides: readonly (string | RegExp)[];
  /** Refusals that are documented to have no body. */
  private readonly wordless: ReadonlySet<string>;

  constructor(private readonly ground: Ground) {
    const { dataDir, database } = ground.mediadock;
    this.insides = [
      ...INSIDES,
      ...BUCKETS,
      dataDir,
      tmpdir(),
      process.cwd(),
      new URL(database.url).pathname.slice(1),
    ];
    this.wordless = new Set(
      operationsOf(ground.contract.document).flatMap(({ responses }) =>
        Object.keys(responses).filter((status) => responses[status]?.content === undefined),
      ),
    );
  }

  flawsOf(draft: Draft, { bytes, methods, ending }: Shot, exchange: Exchange): string[] {
    const { answers, flaws, fault, endedByUs, milliseconds } = exchange;
    const unanswered = answers.length < methods.length && ending === 'server';
    const hungUp = answers.length === 0 && ending !== 'client' && (fault !== null || !endedByUs);
    // With a head so long, the parser may be the one who answers.
    const certain = draft.operation !== null && bytes.indexOf('\r\n\r\n') < LONG_HEAD_BYTES;
    const late = milliseconds >= PROBE_TIMEOUT_MS && /\/health\/ready/i.test(draft.path);
    const judged = late ? answers.filter(({ status }) => status !== 503) : answers;
    const ended = fault ?? (endedByUs ? 'our end' : 'its end');
    return [
      ...flaws,
      ...(unanswered || hungUp
        ? [`${answers.length} answers to ${methods.length} requests, then ${ended}`]
        : []),
      ...(answers.length > methods.length && draft.edits.length < 2
        ? [`${answers.length} answers to ${methods.length} requests`]
        : []),
      ...judged.flatMap((answer, index) => this.flawsOfAnswer(draft, methods[index] ?? 'GET', answer)),
      ...(!certain ? [] : answers.slice(0, 1).flatMap((answer) => this.departures(draft, answer))),
    ];
  }

  private flawsOfAnswer(draft: Draft, method: string, answer: WireAnswer): string[] {
    const { status, headers } = answer;
    const text = textOf(answer);
    const token = headerOf(draft, 'Authorization')?.replace(/^\w+\s+/, '') ?? '';
    const requestId = valueOf(headers, 'x-request-id');
    const rules: [broken: boolean, flaw: string][] = [
      [status >= 500, `It is a ${status}`],
      [headers.some(([name]) => name === INJECTED_HEADER), 'A header was injected'],
      [
        requestId !== undefined && !REQUEST_ID.test(requestId),
        `The request id is ${JSON.stringify(requestId)}`,
      ],
      [text.includes(CANARY_MARK), 'It tells of files of somebody else'],
      [token.length >= TELLING_TOKEN && text.includes(token), 'It repeats the token'],
    ];
    return [
      ...rules.filter(([broken]) => broken).map(([, flaw]) => flaw),
      ...(status >= 400 ? this.flawsOfRefusal(method, answer) : this.flawsOfItems(answer)),
    ];
  }

  private flawsOfRefusal(method: string, { status, headers, body }: WireAnswer): string[] {
    const type = valueOf(headers, 'content-type')?.split(';', 1)[0];
    if (body.length === 0 && this.wordless.has(String(status))) {
      return [];
    }
    if (type !== PROBLEM_JSON) {
      return [`A refusal of type ${type}: ${body.toString().slice(0, 200)}`];
    }
    if (method === 'HEAD') {
      return [];
    }
    const problem = parsed(body);
    if (typeof problem !== 'object' || problem === null) {
      return [`A problem that is no object: ${body.toString().slice(0, 200)}`];
    }
    return flawsOfProblem(problem, status).concat(this.leaksOf(problem));
  }

  /** An answer to several requests in one can have refusals in it. */
  private flawsOfItems({ headers, body }: WireAnswer): string[] {
    const json = /json/.test(valueOf(headers, 'content-type') ?? '') ? parsed(body) : null;
    const items: unknown = typeof json === 'object' && json !== null ? Reflect.get(json, 'items') : null;
    return (Array.isArray(items) ? items : []).flatMap((item: unknown) => {
      if (typeof item !== 'object' || item === null || !('code' in item)) {
        return [];
      }
      return flawsOfProblem(item, Number(Reflect.get(item, 'status'))).concat(this.leaksOf(item));
    });
  }

  /** The address that was asked for may have anything in it, so it is not looked at. */
  private leaksOf(problem: object): string[] {
    const text = JSON.stringify({ ...problem, instance: '' });
    return this.insides
      .filter((inside) => (typeof inside === 'string' ? text.includes(inside) : inside.test(text)))
      .map((inside) => `It tells of the inside: ${inside}`);
  }

  private departures({ operation }: Draft, { status, headers, body }: WireAnswer): string[] {
    if (operation === null) {
      return [];
    }
    const json = /json/.test(valueOf(headers, 'content-type') ?? '');
    const answer: Answer<unknown> = {
      status,
      headers: new Headers(headers.map(([name, value]): [string, string] => [name, value])),
      body: json ? parsed(body) : body.toString('latin1'),
    };
    try {
      return this.ground.contract.departures(operation.operationId, answer);
    } catch (error) {
      return [String(error)];
    }
  }
}

function flawsOfProblem(problem: object, status: number): string[] {
  const { code, ...rest }: { code?: unknown; [member: string]: unknown } = { ...problem };
  const known = Object.entries(PROBLEMS).find(([name]) => name === code)?.[1];
  const rules: [broken: boolean, flaw: string][] = [
    [known === undefined, `The code ${String(code)} is not in the catalogue`],
    [known !== undefined && known.status !== status, `The code ${String(code)} came with ${status}`],
    [rest['status'] !== status, `The body says ${String(rest['status'])} of a ${status}`],
    [rest['type'] !== `urn:mediadock:problem:${String(code)}`, `The type is ${String(rest['type'])}`],
    [known !== undefined && rest['title'] !== known.title, `The title is ${String(rest['title'])}`],
    [typeof rest['detail'] !== 'string' || rest['detail'] === '', 'There is no detail'],
    [typeof rest['instance'] !== 'string' || rest['instance'] === '', 'There is no instance'],
    [
      Object.keys(problem).some((member) => !MEMBERS.has(member)),
      `The members are ${Object.keys(problem).join()}`,
    ],
  ];
  return rules.filter(([broken]) => broken).map(([, flaw]) => flaw);
}

function textOf({ headers, body }: WireAnswer): string {
  return `${headers.map((header) => header.join(': ')).join('\n')}\n${body.toString('latin1')}`;
}

/** What is no JSON is a flaw of its own, and shows as one. */
export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return `no JSON: ${body.toString().slice(0, 200)}`;
  }
}
