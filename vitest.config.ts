import { globSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { defineConfig } from 'vitest/config'
import { isIsolated } from './vitest.package.ts'

/** Every package as one vitest project, for `pnpm vitest` at the root. */
export default defineConfig({
  test: {
    projects: globSync('{packages/*,test/*,examples/*,bench,checks}/package.json', { cwd: import.meta.dirname }).map(
      (manifest) => ({
        extends: './vitest.package.ts',
        root: dirname(manifest),
        test: { name: basename(dirname(manifest)), isolate: isIsolated(dirname(manifest)) },
      }),
    ),
  },
})
