import { defineConfig } from 'vitest/config'

/** Every package as one vitest project, for `pnpm vitest` at the root. */
export default defineConfig({
  test: { projects: ['packages/*', 'examples/*', 'tools/*'] },
})
