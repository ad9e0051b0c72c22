import { defineConfig } from 'vitest/config'

/** Servers that are missing here, which `npm test` says. What had none of its tests run covers less; the table at the end tells. */
const { SD_TEST_MISSING: missing } = process.env

/** Settings of one package's tests; `vitest.config.ts` gathers all packages for work at the root. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    setupFiles: [`${import.meta.dirname}/vitest.setup.ts`],
    retry: 0,
    // What hangs must fail, but a busy machine must not: servers are started in hooks.
    testTimeout: 30_000,
    hookTimeout: 120_000,
    reporters: ['default', ['json', { outputFile: 'coverage/tests.json' }]],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts', 'src/**/testing/**'],
      reporter: ['text-summary', 'json-summary'],
      ...(!missing && { thresholds: { lines: 90 } }),
    },
  },
})
