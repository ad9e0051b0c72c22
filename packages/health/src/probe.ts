import { hasTelemetrySubscribers, publishTelemetry, type Semaphore, sleep } from '@sd/core'
import { type CheckRun, type CheckRunnerOptions, createCheckRunner } from './check-run.ts'
import type { ProbeOptions } from './probe-options.ts'
import { type CheckStatus, createVerdict } from './verdict.ts'

/** One more run of a check, and what follows from it. */
export interface ProbeResult {
  /** The run. */
  readonly run: CheckRun
  /** The status now. */
  readonly status: CheckStatus
  /** Whether it was another one before. */
  readonly hasChanged: boolean
  /** Since when it is this one, in Unix milliseconds. */
  readonly since: number
}

/** Options of {@link startProbe}. */
export interface StartProbeOptions extends Omit<CheckRunnerOptions, 'timeoutMs'> {
  /** When to check and how to judge. */
  readonly settings: Required<ProbeOptions>
  /** Bounds how many checks run at once, over all probes that share it. */
  readonly places: Semaphore
  /** Told of every run. What it throws is an unhandled rejection. */
  readonly onResult: (result: ProbeResult) => void
}

/**
 * Runs a check again and again, one run after the other, and publishes how each went. Its timers do not keep the process alive.
 *
 * @returns a function that ends it; a run under way is aborted and not told of
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
        const { checkedAt: checkedAtMs, durationMs, error } = run
        const event = { check: check.name, service, instanceId, durationMs, error, checkedAtMs, status, since }
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
