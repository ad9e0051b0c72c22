import { basename } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Missing servers, as listed by `npm test`. Packages that need one of them have no coverage threshold; the table at the end lists them. */
const { SD_TEST_MISSING: missing } = process.env

/**
 * Packages that need a process for each test file: they mock modules of Node, look at everything of a kind in the process, or change
 * what a module keeps. The files of the others share a process, because half of the time of a short file was its start.
 */
const isolated = new Set(['adapter-kit', 'alerts', 'config-file', 'lifecycle', 'servers'])

/** Whether each test file of a package, given by folder, has a process of its own. */
export function isIsolated(folder: string): boolean {
  return isolated.has(basename(folder))
}

/** Settings of one package's tests. `vitest.config.ts` combines all packages for work at the root. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    setupFiles: [`${import.meta.dirname}/vitest.setup.ts`],
    isolate: isIsolated(process.cwd()),
    retry: 0,
    // A hanging test must fail, a slow one on a busy machine must not. Hooks start servers.
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // What is awaited ends the wait. The default of one second is about the machine, not about the code; vitest.process.ts has the same for `vi.waitFor`.
    expect: { poll: { timeout: 20_000, interval: 20 } },
    reporters: ['default', ['json', { outputFile: 'coverage/tests.json' }]],
    coverage: {
      // `npm test` leaves it out, because it takes a quarter of the time; `pnpm check coverage` has it for all packages.
      enabled: process.env['SD_TEST_COVERAGE'] !== 'false',
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts', 'src/**/testing/**'],
      reporter: ['text-summary', 'json-summary'],
      ...(!missing && { thresholds: { lines: 90 } }),
    },
  },
})
