import { hasTelemetrySubscribers, publishTelemetry, type Semaphore, sleep } from '@sd/core'
import { type CheckRun, type CheckRunnerOptions, createCheckRunner } from './check-run.ts'
import type { ProbeOptions } from './probe-options.ts'
import { type CheckStatus, createVerdict } from './verdict.ts'

/** A run of a check, and its effect. */
export interface ProbeResult {
  readonly run: CheckRun
  /** The resulting status. */
  readonly status: CheckStatus
  /** Whether the status changed. */
  readonly hasChanged: boolean
  /** Start of the status, in Unix milliseconds. */
  readonly since: number
}

/** Options of {@link startProbe}. */
export interface StartProbeOptions extends Omit<CheckRunnerOptions, 'timeoutMs'> {
  /** When to check and how to judge results. */
  readonly settings: Required<ProbeOptions>
  /** Limits the number of concurrent checks over all probes that share it. */
  readonly places: Semaphore
  /** Called after every run. An error that it throws is an unhandled rejection. */
  readonly onResult: (result: ProbeResult) => void
}

/**
 * Runs a check repeatedly, one run after the other, and publishes each result. Its timers do not keep the process alive.
 *
 * @returns a function that stops it; a run in progress is aborted and not reported
 */
export function startProbe({ check, target, settings, places, onResult }: StartProbeOptions): () => void {
  const { intervalMs, fastIntervalMs, timeoutMs, jitter, random } = settings
  const runCheck = createCheckRunner({ check, target, timeoutMs })
  const verdict = createVerdict(settings)
  const ending = new AbortController()
  const { signal } = ending
  let since = Date.now()

  async function repeat(): Promise<void> {
    await sleep(random() * fastIntervalMs, signal)
    for (;;) {
      const run = await places.run(signal, () => runCheck(signal))
      if (signal.aborted) return
      const hasChanged = verdict.record(run.error === undefined)
      if (hasChanged) since = run.checkedAt
      const { status } = verdict
      if (hasTelemetrySubscribers('sd:v1:health:check')) {
        const { service, id: instanceId } = target()
        const { checkedAt, durationMs, error } = run
        const event = { check: check.name, service, instanceId, durationMs, error, checkedAt, status, since }
        publishTelemetry('sd:v1:health:check', event)
      }
      onResult({ run, status, hasChanged, since })
      const pauseMs = verdict.isOpen ? fastIntervalMs : intervalMs
      await sleep(pauseMs * (1 + jitter * (2 * random() - 1)), signal)
    }
  }

  repeat().catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
  return () => ending.abort()
}
