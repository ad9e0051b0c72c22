import { checkFunction, checkObject, createSemaphore, type HealthSpec, type Registration, toSdError } from '@sd/core'
import { combineStatus, type HealthCheckReport, type HealthReport, toHealthSpec } from './health-report.ts'
import { type HealthReporterOptions, resolveHealthReporterOptions } from './health-reporter-options.ts'
import { startProbe } from './probe.ts'

/** Checks the health of the own process and tells it to registries and whoever asks. */
export interface HealthReporter extends Disposable {
  /** How the process is, by the last runs; it runs nothing. */
  report(): HealthReport
  /** Keeps the health of one more registration up to date, such as one that a lifecycle makes later. A registration is taken once. */
  addRegistration(registration: Registration): void
  /** Ends the checks. The registrations keep the health that they have. Idempotent. */
  close(): void
}

/**
 * Runs checks of the own process on an interval, and keeps the health of registrations up to date: it is written when the status of a check
 * changed. Until the first status of all is known, and while a registration is draining, it stays as it is.
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
  /** What each registration was told last. */
  const told = new Map<Registration, HealthSpec>()
  /** Registrations with an update under way. */
  const telling = new Set<Registration>()
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
        for (const registration of registrations) void tell(registration)
      },
    }),
  )

  /** Whether a registration should hear of the health: it changed, or somebody else wrote another one. */
  function isDue(registration: Registration): boolean {
    if (health.status === 'unknown' || registration.state === 'closed' || ending.signal.aborted) return false
    const { status } = registration.instance.health
    return status !== 'draining' && (told.get(registration) !== health || status !== health.status)
  }

  async function tell(registration: Registration): Promise<void> {
    if (telling.has(registration) || !isDue(registration)) return
    telling.add(registration)
    told.set(registration, health)
    try {
      await registration.update({ health }, { signal: ending.signal })
    } catch (caught) {
      // What can be retried the registration keeps, and applies when the registry is back.
      const error = toSdError(caught, 'SD_UNAVAILABLE', `telling the health of ${registration.instance.service}`)
      if (!ending.signal.aborted) onError(error)
    } finally {
      telling.delete(registration)
    }
    if (told.get(registration) !== health) await tell(registration)
  }

  function close(): void {
    ending.abort()
    for (const stop of probes) stop()
  }

  return {
    report() {
      const isDraining = [...registrations].some(({ instance }) => instance.health.status === 'draining')
      const status = isDraining ? 'draining' : combineStatus(reports)
      return {
        status,
        isLive: ![...reports.values()].some((report) => report.kind === 'liveness' && report.status === 'unhealthy'),
        isReady: status === 'healthy' && ![...registrations].some(({ state }) => state === 'closed'),
        checks: Object.fromEntries(reports),
      }
    },
    addRegistration(registration) {
      checkFunction('registration.update', checkObject('registration', registration as object)['update'] as () => void)
      registrations.add(registration)
      void tell(registration)
    },
    close,
    [Symbol.dispose]: close,
  }
}
