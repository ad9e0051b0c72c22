import { buildForeignInstance, decodeEntries } from '@sd/adapter-kit'
import { invalidError, isSecureProtocol, protocolAtPort, type SdError, type ServiceInstance, splitPortReference } from '@sd/core'
import { SERVER_NAME_METADATA } from '@sd/tls'
import type { SrvData } from 'dns-packet'
import { expandTemplate, isDnsName, normalizeName } from './dns-name.ts'
import type { BroughtAddresses } from './interpret.ts'
import type { ResolvedDnsRegistryOptions } from './options.ts'
import { type Addresses, type ListedRecord, type ResolvedTargets, resolveAllTargets } from './resolve-targets.ts'
import type { DnsResolver } from './resolver.ts'

/** The instances of a service, and how long they are valid. */
export interface ServiceReading {
  readonly instances: readonly ServiceInstance[]
  /** Smallest TTL of all records that were used, in milliseconds. */
  readonly ttlMs: number
  /** Targets of SRV records that could not be resolved while others could, with the error. Empty if all were resolved. */
  readonly failed: ReadonlyMap<string, SdError>
}

/**
 * Reads a service once. `signal` must abort when the reading ends, also with an error.
 *
 * @throws SdError `SD_INVALID` if the service has no valid DNS name, `SD_UNAVAILABLE` if it, or none of its targets,
 * can be resolved
 */
export type ServiceReader = (service: string, signal: AbortSignal) => Promise<ServiceReading>

/** Time after which unresolved targets are queried again, in milliseconds, if the TTL is longer. */
const retryMs = 5_000
const noTargets: ResolvedTargets = { resolved: new Map(), failed: new Map() }

/** Creates the reader for the given options. */
export function createServiceReader(settings: ResolvedDnsRegistryOptions, resolver: DnsResolver): ServiceReader {
  const { name: registry, records, port, protocol, family, resolveTargets, template, domain, timeoutMs, portName } = settings
  // DNS does not contain creation times. One time for all makes two readings of the same records equal.
  const at = { createdAt: Date.now() }
  const types = family === 'any' ? (['A', 'AAAA'] as const) : family === 4 ? (['A'] as const) : (['AAAA'] as const)

  /** Returns the protocol of a service; that of `orders:grpc` is derived from its port name. */
  function protocolOf(service: string): string {
    const named = typeof template === 'string' && template.includes('{port}') ? splitPortReference(service) : undefined
    return named ? protocolAtPort(named.port, protocol) : protocol
  }

  /** Certificates contain the name that was resolved, not the address of an instance. */
  function secureName(name: string, of: string): Readonly<Record<string, string>> | undefined {
    return isSecureProtocol(of) ? { [SERVER_NAME_METADATA]: name } : undefined
  }

  function nameOf(service: string): string {
    const name = typeof template === 'function' ? template(service) : expandTemplate(template, service, domain, portName)
    if (typeof name === 'string' && isDnsName(name)) return normalizeName(name)
    throw invalidError(
      'service',
      service,
      'letters, digits, hyphens, underscores and dots that make a DNS name with the template',
    )
  }

  /** Resolves the addresses of a name. @param brought looks them up in another response */
  async function resolve(
    name: string,
    signal: AbortSignal,
    brought: (type: 'A' | 'AAAA') => BroughtAddresses | undefined = () => undefined,
  ): Promise<Addresses> {
    let ttlMs = Number.POSITIVE_INFINITY
    for (const type of types) {
      const known = brought(type)
      if (known) return { addresses: known.addresses, ttlMs: Math.min(ttlMs, known.ttlSeconds * 1_000) }
      const answer = await resolver.ask({ name, type }, signal)
      ttlMs = Math.min(ttlMs, answer.ttlMs)
      if (answer.data.length > 0) return { addresses: answer.data, ttlMs }
    }
    return { addresses: [], ttlMs }
  }

  async function readAddresses(service: string, signal: AbortSignal): Promise<ServiceReading> {
    const name = nameOf(service)
    const { addresses, ttlMs } = await resolve(name, signal)
    const metadata = secureName(name, protocol)
    const instances = decodeEntries(registry, service, addresses, (address) =>
      buildForeignInstance({ service, address, port, protocol, metadata }, at),
    )
    return { instances, ttlMs, failed: new Map() }
  }

  async function readServices(service: string, signal: AbortSignal): Promise<ServiceReading> {
    const answer = await resolver.ask({ name: nameOf(service), type: 'SRV' }, signal)
    const listed = normalizeRecords(answer.data)
    const { resolved: targets, failed } = resolveTargets
      ? await resolveAllTargets({ registry, timeoutMs, listed, answer, resolve, signal })
      : noTargets
    const entries = listed.flatMap((record) => {
      const { addresses } = targets.get(record.target) ?? { addresses: failed.has(record.target) ? [] : [record.target] }
      // The addresses of a target share its weight.
      return addresses.map((address) => ({ ...record, address, weight: record.weight / addresses.length }))
    })
    const ownProtocol = protocolOf(service)
    const instances = decodeEntries(registry, service, entries, ({ target, address, port: servicePort, weight, priority }) => {
      const metadata = address === target ? undefined : { target, ...secureName(target, ownProtocol) }
      return buildForeignInstance({ service, address, port: servicePort, protocol: ownProtocol, weight, priority, metadata }, at)
    })
    const ttlMs = Math.min(
      answer.ttlMs,
      failed.size > 0 ? retryMs : answer.ttlMs,
      ...[...targets.values()].map((target) => target.ttlMs),
    )
    return { instances, ttlMs, failed }
  }

  return records === 'srv' ? readServices : readAddresses
}

/**
 * Normalizes SRV records. The target `.` means that the service is not offered (RFC 2782). If all records of a priority
 * have the weight 0, they share evenly; next to other weights, 0 means no traffic. Sorted so that of two records for
 * the same place the one with the better priority is used, in any order of the records.
 */
function normalizeRecords(data: readonly SrvData[]): readonly ListedRecord[] {
  const listed = data
    .map(({ target, port, weight = 0, priority = 0 }) => ({ target: normalizeName(target), port, weight, priority }))
    .filter(({ target }) => target !== '')
    .sort((a, b) => b.priority - a.priority || a.weight - b.weight)
  const weighted = new Set(listed.filter(({ weight }) => weight > 0).map(({ priority }) => priority))
  return listed.map((record) => (weighted.has(record.priority) ? record : { ...record, weight: 1 }))
}
