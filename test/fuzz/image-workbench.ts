import { type ChildOptions, ImageChild, type Result, type UploadedFile } from './image-child.js';

/** A process that ended by itself, with all the files it had at that time: one of them, or all together, did it. */
export interface Death<File extends UploadedFile> {
  readonly detail: string;
  readonly suspects: File[];
}

/**
 * Sends files through a child process, and starts another when one dies. Which of several files it was is found out
 * by giving each of them to a process of its own.
 */
export class ImageWorkbench<File extends UploadedFile> {
  readonly deaths: Death<File>[] = [];
  private current: ImageChild;
  private peak = 0;

  constructor(private readonly options: ChildOptions) {
    this.current = new ImageChild(options);
  }

  /** Of any of its processes, in MiB. */
  get peakMegabytes(): number {
    return Math.max(this.peak, this.current.peakMegabytes);
  }

  /** `lost` is only what ends a process all alone. */
  async process(file: File): Promise<Result> {
    const child = this.replaceIfDead();
    const result = await child.process(file);
    if (result.outcome.kind !== 'lost') {
      return result;
    }
    this.accuse(file, result.outcome.detail);
    return processAlone(file, this.options);
  }

  async close(): Promise<void> {
    await this.current.stop();
  }

  private replaceIfDead(): ImageChild {
    if (!this.current.isAlive) {
      this.peak = this.peakMegabytes;
      this.current = new ImageChild(this.options);
    }
    return this.current;
  }

  private accuse(file: File, detail: string): void {
    const last = this.deaths.at(-1);
    if (last?.detail === detail) {
      last.suspects.push(file);
    } else {
      this.deaths.push({ detail, suspects: [file] });
    }
  }
}

/** In a process of its own. */
export async function processAlone(
  file: UploadedFile,
  options: ChildOptions,
): Promise<Result & { readonly peakMegabytes: number }> {
  const child = new ImageChild(options);
  try {
    const result = await child.process(file);
    return { ...result, peakMegabytes: child.peakMegabytes };
  } finally {
    await child.stop();
  }
}
