import { checkDuration, checkInteger, checkKnownKeys, checkObject, checkOneOf, checkText, invalidError } from '../validate.ts'
import type { HealthCheckSpec, ServiceInstance } from './service-instance.ts'

/** Most named ports of an instance. */
export const maxPorts = 32
/** As RFC 6335, 5.1 has names of services, and Kubernetes those of ports, but up to 63 characters: a letter must be in it, so it is not a number. */
const portName = /^(?=[a-z0-9-]{0,62}[a-z])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** All values of `HealthCheckSpec.type`. */
const types = ['http', 'tcp', 'grpc'] as const
const visiblePath = /^\/[\x21-\x22\x24-\x7e]*$/

/** Whether a text can be the name of a port of an instance: up to 63 lower-case letters, digits and inner hyphens, at least one letter. */
export function isPortName(text: unknown): text is string {
  return typeof text === 'string' && portName.test(text)
}

/** Named ports, frozen, on an object without prototype; `undefined` where there are none. @throws SdError `SD_INVALID` that names the field */
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

/** A declared health check, frozen. @throws SdError `SD_INVALID` that names the field */
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

/** Whether two declared checks say the same. */
export function sameHealthCheck(a: HealthCheckSpec | undefined, b: HealthCheckSpec | undefined): boolean {
  return (
    a === b || (a?.type === b?.type && a?.path === b?.path && a?.intervalMs === b?.intervalMs && a?.timeoutMs === b?.timeoutMs)
  )
}

/** Application protocols that a port can name; of `http-admin` the part before the hyphen counts, as with Istio. */
const protocols: ReadonlySet<string> = new Set(['http', 'https', 'h2', 'h2c', 'grpc', 'grpcs'])

/** A name of the form `service:port`, in its parts. */
export interface PortReference {
  /** Name of the service, such as `orders`. */
  readonly service: string
  /** Name of the port, such as `admin`. */
  readonly port: string
}

/**
 * The parts of `orders:admin`, split at the last colon. `undefined` where what follows cannot be the name of a port. Names of services may have
 * colons too: a service that is registered by the whole name comes first.
 */
export function splitPortReference(name: string): PortReference | undefined {
  const at = name.lastIndexOf(':')
  const port = name.slice(at + 1)
  return at > 0 && isPortName(port) ? { service: name.slice(0, at), port } : undefined
}

/**
 * An instance as it is reached at one of its named ports, as an instance of the service `name`; `undefined` if it has no port of that name. Its id
 * stays; its declared health check, which is for its main port, does not. The protocol is the one that the port is named after (`grpc`, `https-admin`), else the instance's.
 */
export function instanceAtPort(instance: ServiceInstance, name: string, portNamed: string): ServiceInstance | undefined {
  const port = instance.ports?.[portNamed]
  if (port === undefined) return undefined
  const { healthCheck: _ofMainPort, ...kept } = instance
  return Object.freeze({ ...kept, service: name, port, protocol: protocolAtPort(portNamed, instance.protocol) })
}

/** The protocol that a port is named after, such as `grpc` and `https-admin`; else `otherwise`. */
export function protocolAtPort(portNamed: string, otherwise: string): string {
  const prefix = portNamed.split('-', 1)[0] as string
  // gRPC-Web is HTTP/1.1 as often as not.
  return protocols.has(prefix) && portNamed !== 'grpc-web' ? prefix : otherwise
}
