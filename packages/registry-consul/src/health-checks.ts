import {
  checkBoolean,
  checkDuration,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  checkText,
  type HealthCheckSpec,
  invalidError,
  isSecureProtocol,
  type ServiceInstance,
} from '@sd/core'

/** A health check that the agent runs against the instance's own address and port. */
export interface ConsulHealthCheck {
  /**
   * `http`: a GET must return 2xx. `tcp`: a connection must open. `grpc`: the standard health service must report
   * SERVING.
   */
  readonly type: 'http' | 'tcp' | 'grpc'
  /** Path of the `http` request, with a leading slash. @default '/' */
  readonly path?: string
  /** Name of the gRPC service to check. @default '' (the whole server) */
  readonly grpcService?: string
  /** Whether the check uses TLS. @default `true` if the instance's protocol is `https`; `false` for `tcp` and `grpc` */
  readonly secure?: boolean
  /** Whether to accept any certificate. @default false */
  readonly skipTlsVerify?: boolean
  /** Interval between two checks, in milliseconds, at least 1,000. @default 10_000 */
  readonly intervalMs?: number
  /** Time limit of one check, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
}

/** A health check with defaults applied; `secure` depends on the instance. */
export interface HealthCheckSettings {
  readonly type: 'http' | 'tcp' | 'grpc'
  readonly path: string
  readonly grpcService: string
  readonly secure: boolean | undefined
  readonly skipTlsVerify: boolean
  readonly intervalMs: number
  readonly timeoutMs: number
}

const keys = ['type', 'path', 'grpcService', 'secure', 'skipTlsVerify', 'intervalMs', 'timeoutMs']

/** Validates a list of health checks. @throws SdError `SD_INVALID` that names the field */
export function checkHealthChecks(field: string, value: unknown): readonly HealthCheckSettings[] {
  if (!Array.isArray(value) || value.length > 16) throw invalidError(field, value, 'an array of at most 16 checks')
  return value.map((one: unknown, index) => checkHealthCheck(`${field}[${index}]`, one))
}

function checkHealthCheck(field: string, value: unknown): HealthCheckSettings {
  const check = checkObject(field, value) as Partial<ConsulHealthCheck>
  checkKnownKeys(field, check, keys)
  const path = checkText(`${field}.path`, check.path ?? '/', 2_048)
  if (!path.startsWith('/')) throw invalidError(`${field}.path`, path, 'a path that starts with a slash')
  return {
    type: checkOneOf(`${field}.type`, check.type as 'http', ['http', 'tcp', 'grpc']),
    path,
    grpcService: checkText(`${field}.grpcService`, check.grpcService ?? '', 255),
    secure: check.secure === undefined ? undefined : checkBoolean(`${field}.secure`, check.secure),
    skipTlsVerify: checkBoolean(`${field}.skipTlsVerify`, check.skipTlsVerify ?? false),
    intervalMs: checkDuration(`${field}.intervalMs`, check.intervalMs ?? 10_000, 1_000),
    timeoutMs: checkDuration(`${field}.timeoutMs`, check.timeoutMs ?? 5_000, 1),
  }
}

/** Shortest interval that an agent accepts, in milliseconds. */
const minIntervalMs = 1_000

/** Returns the check that an instance declares, with TLS if its protocol uses TLS. */
export function readDeclaredCheck(
  { type, path = '/', intervalMs = 10_000, timeoutMs = 5_000 }: HealthCheckSpec,
  { protocol }: ServiceInstance,
): HealthCheckSettings {
  const secure = type !== 'tcp' && isSecureProtocol(protocol)
  const settings = { grpcService: '', secure, skipTlsVerify: false }
  return { type, path, intervalMs: Math.max(minIntervalMs, intervalMs), timeoutMs, ...settings }
}

/**
 * Returns the check in the agent's format. Its initial status is passing, because the instance reports itself as
 * healthy.
 */
export function describeCheck(check: HealthCheckSettings, instance: ServiceInstance, checkId: string): object {
  const { type, intervalMs, timeoutMs, skipTlsVerify } = check
  const { address, port, protocol } = instance
  const authority = `${address.includes(':') ? `[${address}]` : address}:${port}`
  const secure = check.secure ?? (type === 'http' && protocol === 'https')
  const target = {
    http: { HTTP: `${secure ? 'https' : 'http'}://${authority}${check.path}` },
    tcp: { TCP: authority, TCPUseTLS: secure },
    grpc: { GRPC: check.grpcService === '' ? authority : `${authority}/${check.grpcService}`, GRPCUseTLS: secure },
  }[type]
  return {
    CheckID: checkId,
    Name: `${type} check`,
    ...target,
    ...(skipTlsVerify && { TLSSkipVerify: true }),
    Interval: `${intervalMs}ms`,
    Timeout: `${timeoutMs}ms`,
    Status: 'passing',
  }
}
