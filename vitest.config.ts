import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['reflect-metadata'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    restoreMocks: true,
    // Each file of the end-to-end suites starts a whole application; more at once than cores only makes them slow.
    maxWorkers: 2,
  },
});
