import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { ProcessedImage } from '../../src/processing/image/image-pipeline.js';
import type { ProcessingErrorCode } from '../../src/processing/image/processing-fault.js';

/** A file as the worker gets it. */
export interface UploadedFile {
  readonly bytes: Buffer;
  readonly mimeType: string;
  /** As declared. */
  readonly fileSize: number;
}

export type Outcome =
  | { readonly kind: 'ready'; readonly image: ProcessedImage }
  | { readonly kind: 'failed'; readonly code: ProcessingErrorCode; readonly detail: string }
  | { readonly kind: 'timeout'; readonly detail: string }
  /** Something else was thrown. */
  | { readonly kind: 'error'; readonly detail: string }
  /** No answer came, nor an end: the process was stopped. */
  | { readonly kind: 'hang'; readonly detail: string }
  /** The process ended while it had this file, and maybe others. */
  | { readonly kind: 'lost'; readonly detail: string };

export interface Result {
  readonly outcome: Outcome;
  readonly ms: number;
}

interface Reply extends Result {
  readonly id: number;
  readonly peakMegabytes: number;
}

interface Pending {
  readonly timer: NodeJS.Timeout;
  readonly resolve: (result: Result) => void;
}

export interface ChildOptions {
  /** Of the application, beside its defaults. */
  readonly environment?: Readonly<Record<string, string>>;
  /** After which a file without an answer hangs. */
  readonly patienceMs: number;
  /** In place of the one that processes images. */
  readonly program?: string;
}

/**
 * Without these, glibc keeps so much of what decoders have given back (it fragments, a heap for every thread) that the
 * resident memory says little about what a file needs: twice as much in a process that has seen thousands of them.
 */
const MALLOC_SETTINGS = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '1048576',
  MALLOC_TRIM_THRESHOLD_: '1048576',
};

export const PROCESSING_PROGRAM = join(import.meta.dirname, 'image-child-program.mjs');
const KEPT_ERROR_OUTPUT = 4_000;

/** One process that processes images. Any number of files may be with it at once. */
export class ImageChild {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, Pending>();
  private readonly ended = Promise.withResolvers<void>();
  private lastId = 0;
  private errorOutput = '';
  private peak = 0;
  private alive = true;
  private stopping = false;

  constructor(private readonly options: ChildOptions) {
    this.child = fork(options.program ?? PROCESSING_PROGRAM, {
      env: { PATH: process.env['PATH'], ...MALLOC_SETTINGS, ...options.environment },
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.errorOutput = (this.errorOutput + chunk.toString()).slice(-KEPT_ERROR_OUTPUT);
    });
    this.child.on('message', (message) => this.settle(message));
    this.child.once('close', (code, signal) => this.buryWith(`It ended with ${signal ?? code}`));
    this.child.once('error', (error) => this.buryWith(String(error)));
  }

  /** The most memory it had so far, in MiB. */
  get peakMegabytes(): number {
    return this.peak;
  }

  get isAlive(): boolean {
    return this.alive;
  }

  /** Never rejects: whatever happens to a file is an outcome. */
  async process(file: UploadedFile): Promise<Result> {
    if (!this.alive) {
      return { outcome: { kind: 'lost', detail: 'It had ended before' }, ms: 0 };
    }
    this.lastId += 1;
    const id = this.lastId;
    const { promise, resolve } = Promise.withResolvers<Result>();
    const timer = setTimeout(() => this.giveUpOn(id), this.options.patienceMs);
    this.pending.set(id, { timer, resolve });
    // When it cannot be sent, the process is ending, and `close` tells.
    this.child.send({ ...file, id }, () => {});
    return promise;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.alive) {
      this.child.kill('SIGKILL');
    }
    await this.ended.promise;
  }

  private settle(message: unknown): void {
    if (!isReply(message)) {
      return;
    }
    this.peak = Math.max(this.peak, message.peakMegabytes);
    const waiting = this.pending.get(message.id);
    clearTimeout(waiting?.timer);
    this.pending.delete(message.id);
    waiting?.resolve({ outcome: message.outcome, ms: message.ms });
  }

  private giveUpOn(id: number): void {
    const detail = `No answer within ${this.options.patienceMs} ms`;
    this.pending.get(id)?.resolve({ outcome: { kind: 'hang', detail }, ms: this.options.patienceMs });
    this.pending.delete(id);
    this.child.kill('SIGKILL');
  }

  private buryWith(cause: string): void {
    this.alive = false;
    const detail = this.stopping ? 'It was stopped' : `${cause}\n${this.errorOutput}`.trim();
    for (const { timer, resolve } of this.pending.values()) {
      clearTimeout(timer);
      resolve({ outcome: { kind: 'lost', detail }, ms: 0 });
    }
    this.pending.clear();
    this.ended.resolve();
  }
}

function isReply(message: unknown): message is Reply {
  return typeof message === 'object' && message !== null && 'id' in message && 'outcome' in message;
}
