import { checkFunction, checkName, checkObject, type ServiceInstance } from '@sd/core'

/** The target of a check, for example a `ServiceInstance`. */
export type HealthTarget = Pick<ServiceInstance, 'id' | 'service' | 'address' | 'port' | 'protocol'>

/** Further findings of a successful check. */
export interface HealthCheckResult {
  /** Findings by name, such as `{ queue: '12' }`: at most 32, keys up to 100 characters, values up to 1,024. */
  readonly details?: Readonly<Record<string, string>>
}

/** Context of a run. */
export interface HealthCheckContext {
  /** Aborts at the check's timeout, or when the result is no longer needed. */
  readonly signal: AbortSignal
}

/** A way to check the health of a target: over HTTP, TCP, gRPC, or your own. */
export interface HealthCheck {
  /** Name for logs and metrics, up to 100 characters. */
  readonly name: string
  /** Resolves if the target is healthy, and throws if not. Must close everything that it opens, also when the signal aborts. */
  run(target: HealthTarget, context: HealthCheckContext): Promise<HealthCheckResult | undefined>
}

/** Returns `value` if it is a check. @throws SdError `SD_INVALID` that names the field */
export function checkHealthCheck(field: string, value: unknown): HealthCheck {
  const check = checkObject(field, value) as unknown as HealthCheck
  checkName(`${field}.name`, check.name, 100)
  checkFunction(`${field}.run`, check.run)
  return check
}
