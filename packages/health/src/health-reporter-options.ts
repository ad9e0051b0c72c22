import {
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  createServiceInstance,
  guardListener,
  type InstanceSpec,
  invalidError,
  RESERVED_METADATA_PREFIX,
  type Registration,
  type SdError,
} from '@sd/core'
import { checkHealthCheck, type HealthCheck, type HealthTarget } from './health-check.ts'
import type { HealthCheckKind } from './health-report.ts'
import { type ProbeOptions, probeOptionKeys, resolveProbeOptions } from './probe-options.ts'

/** A check of this process, or of something that it can't work without. */
export interface OwnHealthCheck {
  /** The check. Its name is unique among those of a reporter, and does not begin with `sd.`. */
  readonly check: HealthCheck
  /** Effect of a failure. @default 'readiness' */
  readonly kind?: HealthCheckKind
  /**
   * Target of the check.
   *
   * @default the instance of the first registration; without one `localhost`, port 0, for checks that ignore their target
   */
  readonly target?: Pick<InstanceSpec, 'address' | 'port' | 'protocol'>
}

/** Options of `createHealthReporter`. */
export interface HealthReporterOptions extends ProbeOptions {
  /** The checks, from 1 to 64. */
  readonly checks: readonly OwnHealthCheck[]
  /** Registrations whose health is kept up to date. @default [] */
  readonly registrations?: readonly Registration[]
  /** Receives errors of updates of a registration. @default ignored */
  readonly onError?: (error: SdError) => void
}

/** Options with defaults applied. */
export interface ResolvedHealthReporterOptions extends Required<Omit<HealthReporterOptions, 'checks'>> {
  /** Checks with defaults applied. */
  readonly checks: readonly ResolvedOwnHealthCheck[]
}

interface ResolvedOwnHealthCheck {
  readonly check: HealthCheck
  readonly kind: HealthCheckKind
  readonly target: (registration: Registration | undefined) => HealthTarget
}

const ownProcess: HealthTarget = { id: 'self', service: 'self', address: 'localhost', port: 0, protocol: 'http' }

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveHealthReporterOptions(options: HealthReporterOptions): ResolvedHealthReporterOptions {
  checkKnownKeys('', checkObject('options', options), ['checks', 'registrations', 'onError', ...probeOptionKeys])
  const { checks, registrations = [] } = options
  if (!Array.isArray(registrations)) throw invalidError('registrations', registrations, 'an array of registrations')
  for (const [index, registration] of registrations.entries()) {
    checkFunction(
      `registrations[${index}].update`,
      (checkObject(`registrations[${index}]`, registration) as unknown as Registration).update,
    )
  }
  if (!Array.isArray(checks) || checks.length === 0 || checks.length > 64)
    throw invalidError('checks', checks, 'an array of 1 to 64 checks')
  const names = new Set<string>()
  return {
    ...resolveProbeOptions(options),
    registrations,
    onError: guardListener('onError', checkFunction('onError', options.onError ?? (() => {}))),
    checks: checks.map((own: OwnHealthCheck, index) => {
      const field = `checks[${index}]`
      if ('run' in checkObject(field, own)) throw invalidError(field, 'a check', 'the check as a property: { check, kind }')
      checkKnownKeys(field, own, ['check', 'kind', 'target'])
      const check = checkHealthCheck(`${field}.check`, own.check)
      if (names.has(check.name) || check.name.startsWith(RESERVED_METADATA_PREFIX)) {
        throw invalidError(`${field}.check.name`, check.name, 'a unique name that does not begin with sd.')
      }
      names.add(check.name)
      return {
        check,
        kind: checkOneOf(`${field}.kind`, own.kind ?? 'readiness', ['readiness', 'liveness', 'informational']),
        target: readTarget(own),
      }
    }),
  }
}

function readTarget({ check, target }: OwnHealthCheck): ResolvedOwnHealthCheck['target'] {
  if (target === undefined) return (registration) => registration?.instance ?? ownProcess
  const instance = createServiceInstance({ service: check.name, ...target })
  return () => instance
}
