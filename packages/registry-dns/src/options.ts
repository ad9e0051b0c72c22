import dns from 'node:dns'
import { isIP, isIPv6 } from 'node:net'
import { checkServerAddresses, type ServerAddress } from '@sd/adapter-kit'
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  createServiceInstance,
  invalidError,
  splitPortReference,
} from '@sd/core'
import { expandTemplate, isDnsName } from './dns-name.ts'

/** Which records list the instances of a service: SRV, or A and AAAA. */
export type DnsRecords = 'srv' | 'address'

/** Which addresses count: IPv4, IPv6, or `any`: the IPv4 addresses of a name if it has some, else its IPv6 addresses. */
export type AddressFamily = 4 | 6 | 'any'

/**
 * How questions are asked: `udp` in datagrams, over a connection where the server says that the answer did not fit; `tcp` over a connection
 * always, for servers that leave out what does not fit without saying so.
 */
export type DnsTransport = 'udp' | 'tcp'

/** Options of `createDnsRegistry`. Give `domain` or `template`. */
export interface DnsRegistryOptions {
  /** DNS servers as IP address and port, such as `['10.0.0.2:53', '[::1]:53']`; the port is 53 if absent. @default the system's */
  readonly servers?: readonly string[]
  /** Domain of the services, such as `example.com`. */
  readonly domain?: string
  /**
   * DNS name of a service: a text with `{service}` and perhaps `{domain}` and `{port}`, or a function. Names are absolute: search domains of
   * the system are not used. With `{port}`, such as `_{port}._tcp.{service}.{domain}`, the name `orders:admin` asks for the port `admin` of
   * `orders`.
   *
   * @default '_{service}._tcp.{domain}' for SRV, '{service}.{domain}' for addresses
   */
  readonly template?: string | ((service: string) => string)
  /** What `{port}` in the template is for a service that names no port. @default 'http' */
  readonly portName?: string
  /** Which records list the instances. @default 'srv' */
  readonly records?: DnsRecords
  /** Port of every instance, where `records` is `address`. */
  readonly port?: number
  /** Protocol of every instance. @default 'http' */
  readonly protocol?: string
  /** Which addresses count. @default 'any' */
  readonly family?: AddressFamily
  /** Whether the target of an SRV record is resolved, so that an instance's address is an IP address. @default true */
  readonly resolveTargets?: boolean
  /** Shortest time between two refreshes of a watch, in milliseconds, for records with a short TTL or none. @default 1_000 */
  readonly minTtlMs?: number
  /** Longest time between two refreshes of a watch, in milliseconds, whatever the TTL. @default 30_000 */
  readonly refreshIntervalMs?: number
  /** How questions are asked. @default 'udp' */
  readonly transport?: DnsTransport
  /** How long one server is waited for, in milliseconds. @default 2_000 */
  readonly timeoutMs?: number
  /** Limit of one operation, all its queries together, in milliseconds. @default 10_000 */
  readonly operationTimeoutMs?: number
  /** Name for logs and metrics. @default 'dns' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedDnsRegistryOptions {
  readonly servers: readonly ServerAddress[]
  readonly domain: string | undefined
  readonly template: string | ((service: string) => string)
  readonly portName: string
  readonly records: DnsRecords
  readonly port: number | undefined
  readonly protocol: string
  readonly family: AddressFamily
  readonly resolveTargets: boolean
  readonly minTtlMs: number
  readonly refreshIntervalMs: number
  readonly transport: DnsTransport
  readonly timeoutMs: number
  readonly operationTimeoutMs: number
  readonly name: string
}

const keys = [
  'servers',
  'domain',
  'template',
  'portName',
  'records',
  'port',
  'protocol',
  'family',
  'resolveTargets',
  'minTtlMs',
  'refreshIntervalMs',
  'transport',
  'timeoutMs',
  'operationTimeoutMs',
  'name',
]

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function resolveDnsRegistryOptions(options: DnsRegistryOptions): ResolvedDnsRegistryOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const records = checkOneOf('records', options.records ?? 'srv', ['srv', 'address'])
  const domain = options.domain === undefined ? undefined : checkDomain(options.domain)
  const minTtlMs = checkDuration('minTtlMs', options.minTtlMs ?? 1_000, 10)
  return {
    servers: options.servers === undefined ? systemServers() : checkServers(options.servers),
    domain,
    template: checkTemplate(options.template, records, domain),
    portName: checkPortName(options.portName ?? 'http', options),
    records,
    port: checkPort(options.port, records),
    protocol: checkProtocol(options.protocol ?? 'http'),
    family: checkFamily(options.family ?? 'any'),
    resolveTargets: checkBoolean('resolveTargets', options.resolveTargets ?? true),
    minTtlMs,
    refreshIntervalMs: checkDuration('refreshIntervalMs', options.refreshIntervalMs ?? Math.max(30_000, minTtlMs), minTtlMs),
    transport: checkOneOf('transport', options.transport ?? 'udp', ['udp', 'tcp']),
    timeoutMs: checkDuration('timeoutMs', options.timeoutMs ?? 2_000, 10),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 10_000, 100),
    name: checkName('name', options.name ?? 'dns'),
  }
}

function checkServers(value: unknown): readonly ServerAddress[] {
  const servers = checkServerAddresses('servers', value, 53)
  for (const [index, { host, secure }] of servers.entries()) {
    if (secure || isIP(host) === 0)
      throw invalidError(`servers[${index}]`, host, 'an IP address without https://, such as 10.0.0.2:53')
  }
  return servers
}

/** The servers that Node read from the system, or was told by `dns.setServers`. An IPv6 address has brackets only where it has a port. */
function systemServers(): readonly ServerAddress[] {
  const servers = dns.getServers().map((text): ServerAddress => {
    const match = isIPv6(text) ? null : /^\[?(.*?)\]?:(\d+)$/.exec(text)
    return { secure: false, host: match?.[1] ?? text, port: Number(match?.[2] ?? 53) }
  })
  if (servers.length === 0) throw invalidError('servers', 'nothing', 'DNS servers, because the system names none')
  return servers
}

function checkDomain(value: unknown): string {
  const domain = checkName('domain', value, 253).replace(/\.$/, '')
  if (isDnsName(domain)) return domain
  throw invalidError('domain', value, 'a DNS name such as example.com')
}

function checkTemplate(
  value: DnsRegistryOptions['template'],
  records: DnsRecords,
  domain: string | undefined,
): ResolvedDnsRegistryOptions['template'] {
  if (typeof value === 'function') return checkFunction('template', value)
  if (value === undefined && domain === undefined) throw invalidError('domain', value, 'a domain, or a template')
  const template = checkName('template', value ?? (records === 'srv' ? '_{service}._tcp.{domain}' : '{service}.{domain}'), 253)
  if (template.includes('{domain}') && domain === undefined)
    throw invalidError('domain', domain, 'a domain, because template has {domain}')
  if (template.includes('{service}') && isDnsName(expandTemplate(template, 'x', domain, 'http'))) return template
  throw invalidError('template', template, 'a DNS name with {service}, such as {service}.service.consul')
}

function checkPortName(value: unknown, { template, portName }: DnsRegistryOptions): string {
  const hasPlace = typeof template === 'string' && template.includes('{port}')
  if (portName !== undefined && !hasPlace) throw invalidError('portName', portName, 'none, because template has no {port}')
  if (typeof value === 'string' && splitPortReference(`x:${value}`)) return value
  throw invalidError('portName', value, '1 to 63 lower-case letters, digits and inner hyphens with at least one letter')
}

function checkPort(value: number | undefined, records: DnsRecords): number | undefined {
  if (records === 'address') return checkInteger('port', value, { min: 1, max: 65_535 })
  if (value === undefined) return undefined
  throw invalidError('port', value, "no port, because SRV records have one; or records: 'address'")
}

/** Refused here, what every instance would be refused for later. */
function checkProtocol(protocol: string): string {
  return createServiceInstance({ service: 'any', address: '127.0.0.1', port: 1, protocol }).protocol
}

function checkFamily(value: unknown): AddressFamily {
  if (value === 4 || value === 6 || value === 'any') return value
  throw invalidError('family', value, "4, 6 or 'any'")
}
