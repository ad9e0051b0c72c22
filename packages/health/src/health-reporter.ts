import {
  answerInquiries,
  checkFunction,
  checkObject,
  createSemaphore,
  type HealthSpec,
  type Registration,
  toSdError,
} from '@sd/core'
import { answerHealth, combineStatus, type HealthCheckReport, type HealthReport, toHealthSpec } from './health-report.ts'
import { type HealthReporterOptions, resolveHealthReporterOptions } from './health-reporter-options.ts'
import { startProbe } from './probe.ts'

/** Checks the health of this process, and reports it to registries and to callers of `report()`. */
export interface HealthReporter extends Disposable {
  /** Health of the process by the last runs. Runs no check. */
  report(): HealthReport
  /**
   * Keeps the health of another registration up to date, such as one that a lifecycle creates later. Has no effect if it is
   * already known.
   */
  addRegistration(registration: Registration): void
  /** Stops the checks. The registrations keep their current health. Idempotent. */
  close(): void
}

/**
 * Runs checks of this process periodically, and keeps the health of registrations up to date: it is written when the status
 * of a check changes. It is not written before the first status of all checks is known, nor while a registration is
 * draining.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHealthReporter(options: HealthReporterOptions): HealthReporter {
  const { checks, onError, ...settings } = resolveHealthReporterOptions(options)
  const registrations = new Set(settings.registrations)
  const firstRegistration = (): Registration | undefined => registrations.values().next().value
  const places = createSemaphore(settings.maxConcurrent)
  const reports = new Map<string, HealthCheckReport>(
    checks.map(({ check, kind }) => [check.name, { kind, status: 'unknown', since: Date.now() }]),
  )
  const ending = new AbortController()
  /** Last health written to each registration. */
  const written = new Map<Registration, HealthSpec>()
  /** Registrations with an update in progress. */
  const writing = new Set<Registration>()
  let health = toHealthSpec(reports)

  const probes = checks.map(({ check, target, kind }) =>
    startProbe({
      check,
      target: () => target(firstRegistration()),
      settings,
      places,
      onResult({ run, status, hasChanged, since }) {
        reports.set(check.name, { kind, status, since, lastRun: run })
        if (hasChanged) health = toHealthSpec(reports)
        for (const registration of registrations) void write(registration)
      },
    }),
  )

  /** Whether to write the health to a registration: it changed, or something else wrote another status. */
  function isDue(registration: Registration): boolean {
    if (health.status === 'unknown' || registration.state === 'closed' || ending.signal.aborted) return false
    const { status } = registration.instance.health
    return status !== 'draining' && (written.get(registration) !== health || status !== health.status)
  }

  async function write(registration: Registration): Promise<void> {
    if (writing.has(registration) || !isDue(registration)) return
    writing.add(registration)
    written.set(registration, health)
    try {
      await registration.update({ health }, { signal: ending.signal })
    } catch (caught) {
      // The registration keeps a retryable update, and applies it when the registry has recovered.
      const error = toSdError(caught, 'SD_UNAVAILABLE', `reporting the health of ${registration.instance.service}`)
      if (!ending.signal.aborted) onError(error)
    } finally {
      writing.delete(registration)
    }
    if (written.get(registration) !== health) await write(registration)
  }

  function report(): HealthReport {
    const isDraining = [...registrations].some(({ instance }) => instance.health.status === 'draining')
    const status = isDraining ? 'draining' : combineStatus(reports)
    return {
      status,
      isLive: ![...reports.values()].some(({ kind, status: one }) => kind === 'liveness' && one === 'unhealthy'),
      isReady: status === 'healthy' && ![...registrations].some(({ state }) => state === 'closed'),
      checks: Object.fromEntries(reports),
    }
  }
  const endAnswers = answerInquiries('health', () => [answerHealth(report())])

  function close(): void {
    ending.abort()
    endAnswers()
    for (const stop of probes) stop()
  }

  return {
    report,
    addRegistration(registration) {
      checkFunction('registration.update', checkObject('registration', registration as object)['update'] as () => void)
      registrations.add(registration)
      void write(registration)
    },
    close,
    [Symbol.dispose]: close,
  }
}
