import { checkFunction, checkName, checkObject, type ServiceInstance } from '@sd/core'

/** What is checked; a `ServiceInstance` is one. */
export type HealthTarget = Pick<ServiceInstance, 'id' | 'service' | 'address' | 'port' | 'protocol'>

/** What a check found out besides that all is well. */
export interface HealthCheckResult {
  /** Findings by name, such as `{ queue: '12' }`: at most 32, keys up to 100 characters, values up to 1,024. */
  readonly details?: Readonly<Record<string, string>>
}

/** What a check is given besides its target. */
export interface HealthCheckContext {
  /** Fires at the check's time limit, or when nobody wants to know any more. */
  readonly signal: AbortSignal
}

/** One way to find out whether something is well: over HTTP, TCP, gRPC, or your own. */
export interface HealthCheck {
  /** Name for logs and metrics, up to 100 characters. */
  readonly name: string
  /** Resolves if the target is well; whatever it throws says that it is not. What it opened it closes, also when the signal fires. */
  run(target: HealthTarget, context: HealthCheckContext): Promise<HealthCheckResult | undefined>
}

/** Returns `value` if it is a check. @throws SdError `SD_INVALID` that names the field */
export function checkHealthCheck(field: string, value: unknown): HealthCheck {
  const check = checkObject(field, value) as unknown as HealthCheck
  checkName(`${field}.name`, check.name, 100)
  checkFunction(`${field}.run`, check.run)
  return check
}
