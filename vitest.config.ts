import { defineConfig } from 'vitest/config';

/** What an application promises whatever it stands on: run once on the embedded parts, and once on those of production. */
const ON_EVERY_STACK = ['test/e2e/**/*.spec.ts', 'test/integration/sweeper.spec.ts'];
/** But once will do for what neither queue nor storage, in which the two differ, has a say in. */
const SAME_ON_EITHER = [
  'authentication',
  'bad-input',
  'batch-limits',
  'malformed-requests',
  'paging',
  'security-headers',
  'token-keys',
].map((name) => `test/e2e/${name}.spec.ts`);

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['reflect-metadata'],
    // For what hangs, not for what is slow: a machine may be at a third of its speed, and busy.
    testTimeout: 90_000,
    hookTimeout: 240_000,
    restoreMocks: true,
    // Each file of the end-to-end suites starts a whole application; but some files mostly wait, for time-outs above all.
    maxWorkers: 3,
    // Files that run in one worker share the modules that they load, which takes a fifth off the whole run. What a test changes in
    // its process (variables, the clock) it puts back.
    isolate: false,
    projects: [
      {
        extends: true,
        test: {
          name: 'embedded',
          include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
          provide: { stack: 'embedded' },
        },
      },
      {
        extends: true,
        test: {
          name: 'production',
          include: ON_EVERY_STACK,
          exclude: SAME_ON_EITHER,
          provide: { stack: 'production' },
        },
      },
    ],
  },
});
