import type { DoctorCheck } from './check.ts'

/** The runtime. A Node.js that is too old has failed before, when `@sd/core` was loaded. */
export const runtimeCheck: DoctorCheck = {
  name: 'runtime',
  run() {
    const { bun, deno, node } = process.versions
    const text = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node.js ${node}`
    return Promise.resolve([{ level: 'fine', text }])
  },
}
