import { checkDuration, checkInteger, checkKnownKeys, checkObject, checkOneOf, checkText, invalidError } from '../validate.ts'
import type { HealthCheckSpec, ServiceInstance } from './service-instance.ts'

/** Maximum number of named ports of an instance. */
export const maxPorts = 32
/**
 * Like service names in RFC 6335, section 5.1, and port names in Kubernetes, but up to 63 characters. It must contain a
 * letter, so it is not a number.
 */
const portName = /^(?=[a-z0-9-]{0,62}[a-z])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** All values of `HealthCheckSpec.type`. */
const types = ['http', 'tcp', 'grpc'] as const
const visiblePath = /^\/[\x21-\x22\x24-\x7e]*$/

/** Whether a value is a valid port name: 1 to 63 lower-case letters, digits and inner hyphens, at least one letter. */
export function isPortName(text: unknown): text is string {
  return typeof text === 'string' && portName.test(text)
}

/**
 * Returns the named ports as a frozen object without prototype, or `undefined` if there are none. @throws SdError
 * `SD_INVALID` that names the field
 */
export function checkPorts(value: unknown): Readonly<Record<string, number>> | undefined {
  const entries = Object.entries(checkObject('ports', value))
  if (entries.length > maxPorts) throw invalidError('ports', `${entries.length} entries`, `at most ${maxPorts} entries`)
  if (entries.length === 0) return undefined
  const ports: Record<string, number> = Object.create(null)
  for (const [name, port] of entries) {
    if (!isPortName(name)) {
      throw invalidError(
        'ports key',
        name,
        'a name of 1 to 63 lower-case letters, digits and inner hyphens with at least one letter',
      )
    }
    ports[name] = checkInteger(`ports.${name}`, port, { min: 1, max: 65_535 })
  }
  return Object.freeze(ports)
}

/** Returns a declared health check, frozen. @throws SdError `SD_INVALID` that names the field */
export function checkHealthCheck(value: unknown): HealthCheckSpec {
  const spec = checkObject('healthCheck', value)
  checkKnownKeys('healthCheck', spec, ['type', 'path', 'intervalMs', 'timeoutMs'])
  const { path, intervalMs, timeoutMs } = spec
  const type = checkOneOf('healthCheck.type', spec['type'], types)
  const check = {
    type,
    ...(path !== undefined && { path: checkPath(type, path) }),
    ...(intervalMs !== undefined && { intervalMs: checkDuration('healthCheck.intervalMs', intervalMs, 100) }),
    ...(timeoutMs !== undefined && { timeoutMs: checkDuration('healthCheck.timeoutMs', timeoutMs, 1) }),
  }
  if ((check.timeoutMs ?? 0) <= (check.intervalMs ?? Number.POSITIVE_INFINITY)) return Object.freeze(check)
  throw invalidError('healthCheck.timeoutMs', timeoutMs, `at most intervalMs, which is ${intervalMs}`)
}

function checkPath(type: HealthCheckSpec['type'], value: unknown): string {
  if (type !== 'http') throw invalidError('healthCheck.path', value, `no path, because the type is ${type}`)
  if (visiblePath.test(checkText('healthCheck.path', value, 1_024))) return value as string
  throw invalidError('healthCheck.path', value, 'a path of printable ASCII that starts with a slash and has no fragment')
}

/** Whether two declared health checks are equal. */
export function sameHealthCheck(a: HealthCheckSpec | undefined, b: HealthCheckSpec | undefined): boolean {
  return (
    a === b || (a?.type === b?.type && a?.path === b?.path && a?.intervalMs === b?.intervalMs && a?.timeoutMs === b?.timeoutMs)
  )
}

/**
 * Application protocols that a port name can start with. Of `http-admin` only the part before the hyphen is used, as in
 * Istio.
 */
const protocols: ReadonlySet<string> = new Set(['http', 'https', 'h2', 'h2c', 'grpc', 'grpcs'])

/** The parts of a name such as `orders:admin`. */
export interface PortReference {
  /** Name of the service, such as `orders`. */
  readonly service: string
  /** Name of the port, such as `admin`. */
  readonly port: string
}

/**
 * Splits `orders:admin` at the last colon. Returns `undefined` if the last part is not a valid port name. Service names
 * may contain colons too: a service registered under the whole name takes precedence.
 */
export function splitPortReference(name: string): PortReference | undefined {
  const at = name.lastIndexOf(':')
  const port = name.slice(at + 1)
  return at > 0 && isPortName(port) ? { service: name.slice(0, at), port } : undefined
}

/**
 * Returns an instance as seen through one of its named ports, as an instance of the service `name`; `undefined` without
 * that port. The id is the same. The declared health check is omitted, because it is for the main port. The protocol
 * comes from the port name (`grpc`, `https-admin`), otherwise from the instance.
 */
export function instanceAtPort(instance: ServiceInstance, name: string, portNamed: string): ServiceInstance | undefined {
  const port = instance.ports?.[portNamed]
  if (port === undefined) return undefined
  const { healthCheck: _ofMainPort, ...kept } = instance
  return Object.freeze({ ...kept, service: name, port, protocol: protocolAtPort(portNamed, instance.protocol) })
}

/** Returns the protocol that a port name starts with, such as `grpc` or `https-admin`; otherwise `otherwise`. */
export function protocolAtPort(portNamed: string, otherwise: string): string {
  const prefix = portNamed.split('-', 1)[0] as string
  // gRPC-Web often runs over HTTP/1.1.
  return protocols.has(prefix) && portNamed !== 'grpc-web' ? prefix : otherwise
}
