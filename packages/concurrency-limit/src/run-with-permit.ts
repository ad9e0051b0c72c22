import type { Permit } from '@sd/core'

/** Runs `work` and settles the permit when its promise settles. */
export async function runWithPermit<T>(permit: Permit, work: () => Promise<T> | T): Promise<T> {
  const startedAt = performance.now()
  try {
    const value = await work()
    permit.settle({ ok: true, latencyMs: performance.now() - startedAt })
    return value
  } catch (error) {
    permit.settle({ ok: false, error })
    throw error
  }
}
