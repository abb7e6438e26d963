import { execFile, spawn } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DockerfileParser, type Instruction } from 'dockerfile-ast';
import { DockerIgnore } from './docker-ignore.js';
import { ServerProcess } from './installation.js';

const run = promisify(execFile);
export const ROOT = join(import.meta.dirname, '..', '..');

/** The user of the image; whoever is not root cannot become another one, and stays who he is. */
const USER = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};

interface Stage {
  readonly root: string;
  workdir: string;
}

/**
 * What the Dockerfile makes, as a folder: its steps are carried out one by one, without Docker. The base image is this
 * machine, so nothing is installed into it; and the packages of the compiler's stage are the ones that the tests run
 * on, since `npm ci` has just put them there.
 */
export class DockerImage {
  private constructor(
    private readonly workplace: string,
    private readonly root: string,
    readonly appDir: string,
    private readonly command: readonly string[],
  ) {}

  static async build(): Promise<DockerImage> {
    const workplace = await mkdtemp(join(tmpdir(), 'mediadock-image-'));
    // Another user works in here.
    await chmod(workplace, 0o755);
    try {
      const build = new ImageBuild(workplace);
      await (await DockerIgnore.read(ROOT)).copy(ROOT, build.context);
      for (const instruction of await dockerfile()) {
        await build.carryOut(instruction);
      }
      const { root, workdir } = build.current;
      await mkdir(join(root, 'bin'));
      await copyFile(process.execPath, join(root, 'bin', 'node'));
      await run('chmod', ['-R', 'a-w', workdir]);
      return new DockerImage(workplace, root, workdir, await jsonOf('CMD'));
    } catch (error) {
      await rm(workplace, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts a container, so to speak: the image's user, its command or another one, and no variables but these. */
  start(environment: Record<string, string>, command: readonly string[] = this.command): ServerProcess {
    const [program = '', ...args] = command;
    return new ServerProcess(
      spawn(join(this.root, 'bin', program), args, {
        cwd: this.appDir,
        env: { NODE_ENV: 'production', ...environment },
        stdio: ['ignore', 'pipe', 'pipe'],
        ...USER,
      }),
    );
  }

  /** A folder that stands for the volume of the container. */
  async createVolume(): Promise<string> {
    const folder = join(this.workplace, 'data');
    await mkdir(folder);
    if (USER.uid !== undefined) {
      await run('chown', [`${USER.uid}:${USER.gid}`, folder]);
    }
    return folder;
  }

  async remove(): Promise<void> {
    await run('chmod', ['-R', 'u+w', this.workplace]);
    await rm(this.workplace, { recursive: true, force: true });
  }
}

class ImageBuild {
  readonly context: string;
  private readonly stages = new Map<string, Stage>();
  private stage: Stage | null = null;

  constructor(private readonly workplace: string) {
    this.context = join(workplace, 'context');
  }

  get current(): Stage {
    if (this.stage === null) {
      throw new Error('The Dockerfile does not begin with FROM');
    }
    return this.stage;
  }

  async carryOut(instruction: Instruction): Promise<void> {
    const values = instruction.getArguments().map((argument) => argument.getValue());
    switch (instruction.getInstruction()) {
      case 'FROM':
        await this.begin(values[2] ?? 'final');
        break;
      case 'WORKDIR':
        this.current.workdir = join(this.current.root, values[0] ?? '');
        await mkdir(this.current.workdir, { recursive: true });
        break;
      case 'COPY':
        await this.copy(instruction.getTextContent(), values);
        break;
      case 'RUN':
        await this.run(instruction.getArgumentsContent() ?? '');
        break;
    }
  }

  private async begin(name: string): Promise<void> {
    const root = join(this.workplace, name);
    this.stage = { root, workdir: root };
    this.stages.set(name, this.stage);
    await mkdir(root);
  }

  private async copy(text: string, values: readonly string[]): Promise<void> {
    const target = resolve(this.current.workdir, values.at(-1) ?? '');
    const stageName = /--from=(\S+)/.exec(text)?.[1];
    for (const source of values.slice(0, -1)) {
      if (stageName !== undefined) {
        const stage = this.stages.get(stageName);
        if (stage === undefined) {
          throw new Error(`There is no stage ${stageName} before this: ${text}`);
        }
        // Nobody needs it there any more, and this is quicker than to copy thousands of files.
        await rename(join(stage.root, source), target);
      } else {
        const into = values.at(-1)?.endsWith('/') ? join(target, basename(source)) : target;
        await cp(join(this.context, source), into, { recursive: true });
      }
    }
  }

  private async run(command: string): Promise<void> {
    const { root, workdir } = this.current;
    if (command.startsWith('apt-get ')) {
      return;
    }
    if (basename(root) === 'build' && command.startsWith('npm ci ')) {
      await symlink(join(ROOT, 'node_modules'), join(workdir, 'node_modules'));
      return;
    }
    await run('sh', ['-ec', command], { cwd: workdir, env: ownEnvironment() });
  }
}

/** Without what npm and vitest have set for the project that is under test: a nested npm would work on that one. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(npm_(?!config_(registry|cache|userconfig)$)|INIT_CWD$|NODE_ENV$)/i;
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return { ...Object.fromEntries(kept), npm_config_prefer_offline: 'true' };
}

export async function dockerfile(): Promise<Instruction[]> {
  return DockerfileParser.parse(await readFile(join(ROOT, 'Dockerfile'), 'utf8')).getInstructions();
}

/** The words of the one instruction of this name, which has to be written as a JSON array: no shell in between. */
export async function jsonOf(name: 'CMD' | 'ENTRYPOINT'): Promise<string[]> {
  const instruction = (await dockerfile()).find((candidate) => candidate.getInstruction() === name);
  const words: string[] = JSON.parse(instruction?.getArgumentsContent() ?? '[]');
  return words;
}
