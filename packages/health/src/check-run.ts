import { checkName, checkObject, checkText, invalidError, SdError, toSdError, withTimeout } from '@sd/core'
import type { HealthCheck, HealthTarget } from './health-check.ts'

/** Result of one run of a check. */
export interface CheckRun {
  /** End of the run, in epoch milliseconds. */
  readonly checkedAt: number
  /** Duration, in milliseconds. */
  readonly durationMs: number
  /** Why the target is unhealthy; absent if it is healthy. */
  readonly error?: SdError | undefined
  /** Further findings of the check. */
  readonly details?: Readonly<Record<string, string>> | undefined
}

/** Options of {@link createCheckRunner}. */
export interface CheckRunnerOptions {
  /** The check. */
  readonly check: HealthCheck
  /** Returns the current target. */
  readonly target: () => HealthTarget
  /** Timeout of one run, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * Creates a function that runs a check on its target. A check that ignores its signal never runs twice at the same
 * time: until it has ended, each further run fails.
 *
 * @returns a function that rejects only with `SD_ABORTED`, when its signal aborts
 */
export function createCheckRunner({ check, target, timeoutMs }: CheckRunnerOptions): (signal: AbortSignal) => Promise<CheckRun> {
  const what = `the ${check.name} check`
  let isUnderWay = false

  async function run(on: HealthTarget, limit: AbortSignal): Promise<CheckRun['details']> {
    if (isUnderWay) throw new SdError('SD_TIMEOUT', `${what} is still running after its timeout`)
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

/** Validates and limits the details, because they are written to registries. */
function readDetails(details: unknown): CheckRun['details'] {
  if (details === undefined) return undefined
  const entries = Object.entries(checkObject('details', details))
  if (entries.length > 32) throw invalidError('details', `${entries.length} entries`, 'at most 32 entries')
  return Object.fromEntries(
    entries.map(([key, value]) => [checkName('details key', key, 100), checkText(`details.${key}`, value, 1_024)]),
  )
}
