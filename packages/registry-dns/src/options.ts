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

/** Record type that lists the instances of a service: SRV, or A and AAAA. */
export type DnsRecords = 'srv' | 'address'

/** Address family: IPv4, IPv6, or `any`: the IPv4 addresses of a name if it has some, else its IPv6 addresses. */
export type AddressFamily = 4 | 6 | 'any'

/**
 * Transport of queries. `udp` uses datagrams, and a connection if the server reports that the response was truncated.
 * `tcp` always uses a connection, for servers that omit records from a datagram without reporting it.
 */
export type DnsTransport = 'udp' | 'tcp'

/** Options of `createDnsRegistry`. Either `domain` or `template` is required. */
export interface DnsRegistryOptions {
  /**
   * DNS servers as IP address and port, such as `['10.0.0.2:53', '[::1]:53']`; the default port is 53. @default the
   * system's
   */
  readonly servers?: readonly string[]
  /** Domain of the services, such as `example.com`. */
  readonly domain?: string
  /**
   * DNS name of a service: a string with `{service}` and optionally `{domain}` and `{port}`, or a function. Names are
   * absolute: search domains of the system are not used. With `{port}`, such as `_{port}._tcp.{service}.{domain}`, the
   * name `orders:admin` selects the port `admin` of `orders`.
   *
   * @default '_{service}._tcp.{domain}' for SRV, '{service}.{domain}' for addresses
   */
  readonly template?: string | ((service: string) => string)
  /** Value of `{port}` in the template for a service without a port. @default 'http' */
  readonly portName?: string
  /** Record type that lists the instances. @default 'srv' */
  readonly records?: DnsRecords
  /** Port of every instance. Required if `records` is `address`, else not allowed. */
  readonly port?: number
  /** Protocol of every instance. @default 'http' */
  readonly protocol?: string
  /** Address family to use. @default 'any' */
  readonly family?: AddressFamily
  /** Whether to resolve the targets of SRV records, so that an instance's address is an IP address. @default true */
  readonly resolveTargets?: boolean
  /**
   * Minimum time between two refreshes of a watch, in milliseconds, for records with a short TTL or none. @default
   * 1_000
   */
  readonly minTtlMs?: number
  /** Maximum time between two refreshes of a watch, in milliseconds, for any TTL. @default 30_000 */
  readonly refreshIntervalMs?: number
  /** Transport of queries. @default 'udp' */
  readonly transport?: DnsTransport
  /** Time limit for the response of one server, in milliseconds. @default 2_000 */
  readonly timeoutMs?: number
  /** Time limit of one operation, for all of its queries together, in milliseconds. @default 10_000 */
  readonly operationTimeoutMs?: number
  /** Name of this registry in logs and metrics. @default 'dns' */
  readonly name?: string
}

/** Options with defaults applied. */
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

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
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

/**
 * Returns the servers from the system's configuration or `dns.setServers`. An IPv6 address has brackets only if it has
 * a port.
 */
function systemServers(): readonly ServerAddress[] {
  const servers = dns.getServers().map((text): ServerAddress => {
    const match = isIPv6(text) ? null : /^\[?(.*?)\]?:(\d+)$/.exec(text)
    return { secure: false, host: match?.[1] ?? text, port: Number(match?.[2] ?? 53) }
  })
  if (servers.length === 0) throw invalidError('servers', 'nothing', 'DNS servers, because none are configured in the system')
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
    throw invalidError('domain', domain, 'a domain, because the template contains {domain}')
  if (template.includes('{service}') && isDnsName(expandTemplate(template, 'x', domain, 'http'))) return template
  throw invalidError('template', template, 'a DNS name with {service}, such as {service}.service.consul')
}

function checkPortName(value: unknown, { template, portName }: DnsRegistryOptions): string {
  const hasPlace = typeof template === 'string' && template.includes('{port}')
  if (portName !== undefined && !hasPlace)
    throw invalidError('portName', portName, 'no portName, because the template does not contain {port}')
  if (typeof value === 'string' && splitPortReference(`x:${value}`)) return value
  throw invalidError('portName', value, '1 to 63 lower-case letters, digits and inner hyphens with at least one letter')
}

function checkPort(value: number | undefined, records: DnsRecords): number | undefined {
  if (records === 'address') return checkInteger('port', value, { min: 1, max: 65_535 })
  if (value === undefined) return undefined
  throw invalidError('port', value, "no port, because SRV records contain it; or records: 'address'")
}

/** Refuses a protocol now that each instance would be refused for later. */
function checkProtocol(protocol: string): string {
  return createServiceInstance({ service: 'any', address: '127.0.0.1', port: 1, protocol }).protocol
}

function checkFamily(value: unknown): AddressFamily {
  if (value === 4 || value === 6 || value === 'any') return value
  throw invalidError('family', value, "4, 6 or 'any'")
}
