import { checkName, checkObject, checkText, invalidError, SdError, toSdError, withTimeout } from '@sd/core'
import type { HealthCheck, HealthTarget } from './health-check.ts'

/** How one run of a check ended. */
export interface CheckRun {
  /** When it ended, in epoch milliseconds. */
  readonly checkedAt: number
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** Why the target is not well; absent if it is. */
  readonly error?: SdError | undefined
  /** What the check found out besides. */
  readonly details?: Readonly<Record<string, string>> | undefined
}

/** Options of {@link createCheckRunner}. */
export interface CheckRunnerOptions {
  /** The check. */
  readonly check: HealthCheck
  /** What is checked, as it is at that time. */
  readonly target: () => HealthTarget
  /** Limit of one run, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * Makes a function that runs a check on its target. A check that ignores its signal is never run twice at the same
 * time: until it has ended, each further run fails.
 *
 * @returns a function that rejects only with `SD_ABORTED`, when its signal fires
 */
export function createCheckRunner({ check, target, timeoutMs }: CheckRunnerOptions): (signal: AbortSignal) => Promise<CheckRun> {
  const what = `the ${check.name} check`
  let isUnderWay = false

  async function run(on: HealthTarget, limit: AbortSignal): Promise<CheckRun['details']> {
    if (isUnderWay) throw new SdError('SD_TIMEOUT', `${what} still runs after its time limit`)
    isUnderWay = true
    try {
      return readDetails((await check.run(on, { signal: limit }))?.details)
    } finally {
      isUnderWay = false
    }
  }

  return async (signal) => {
    const on = target()
    const startedAt = performance.now()
    let details: CheckRun['details']
    let error: SdError | undefined
    try {
      details = await withTimeout({ timeoutMs, what, signal }, (limit) => run(on, limit))
    } catch (caught) {
      if (signal.aborted) throw caught
      error = toSdError(caught, 'SD_UNAVAILABLE', what)
    }
    const durationMs = performance.now() - startedAt
    return { checkedAt: Date.now(), durationMs, error, details }
  }
}

/** Bounds what a check says, because it goes into registries. */
function readDetails(details: unknown): CheckRun['details'] {
  if (details === undefined) return undefined
  const entries = Object.entries(checkObject('details', details))
  if (entries.length > 32) throw invalidError('details', `${entries.length} entries`, 'at most 32 entries')
  return Object.fromEntries(
    entries.map(([key, value]) => [checkName('details key', key, 100), checkText(`details.${key}`, value, 1_024)]),
  )
}
