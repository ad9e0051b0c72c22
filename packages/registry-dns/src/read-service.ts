import { buildForeignInstance, decodeEntries } from '@sd/adapter-kit'
import { invalidError, isSecureProtocol, protocolAtPort, type SdError, type ServiceInstance, splitPortReference } from '@sd/core'
import { SERVER_NAME_METADATA } from '@sd/tls'
import type { SrvData } from 'dns-packet'
import { expandTemplate, isDnsName, normalizeName } from './dns-name.ts'
import type { BroughtAddresses } from './interpret.ts'
import type { ResolvedDnsRegistryOptions } from './options.ts'
import { type Addresses, type ListedRecord, type ResolvedTargets, resolveAllTargets } from './resolve-targets.ts'
import type { DnsResolver } from './resolver.ts'

/** The instances of a service, and how long they may be kept. */
export interface ServiceReading {
  readonly instances: readonly ServiceInstance[]
  /** Smallest TTL of all records that were used, in milliseconds. */
  readonly ttlMs: number
  /** Targets of SRV records that could not be resolved, although others could, and why. None if the reading is whole. */
  readonly failed: ReadonlyMap<string, SdError>
}

/**
 * Reads a service once. `signal` must fire when the reading has ended, also by an error.
 *
 * @throws SdError `SD_INVALID` where its name gives no DNS name, `SD_UNAVAILABLE` when it, or not one of its targets, can be resolved
 */
export type ServiceReader = (service: string, signal: AbortSignal) => Promise<ServiceReading>

/** After how long targets that could not be resolved are asked for again, in milliseconds, if the TTL is longer. */
const retryMs = 5_000
const noTargets: ResolvedTargets = { resolved: new Map(), failed: new Map() }

/** Makes the reader that the options describe. */
export function createServiceReader(settings: ResolvedDnsRegistryOptions, resolver: DnsResolver): ServiceReader {
  const { name: registry, records, port, protocol, family, resolveTargets, template, domain, timeoutMs, portName } = settings
  // DNS does not tell since when an instance is there. One moment for all keeps two readings of the same records the same.
  const at = { createdAt: Date.now() }
  const types = family === 'any' ? (['A', 'AAAA'] as const) : family === 4 ? (['A'] as const) : (['AAAA'] as const)

  /** The protocol of a service; `orders:grpc` is named after its own. */
  function protocolOf(service: string): string {
    const named = typeof template === 'string' && template.includes('{port}') ? splitPortReference(service) : undefined
    return named ? protocolAtPort(named.port, protocol) : protocol
  }

  /** The address of an instance is not in its certificate; the name that it was found by is. */
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

  /** The addresses of a name. @param brought looks up what came along with another answer */
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
      // What a target with several addresses gets is shared between them.
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
 * SRV records as instances have them. The target `.` says that the service is not offered (RFC 2782). Where all records of a priority have
 * the weight 0 there is nothing to choose between, so they share evenly; beside others a weight of 0 stays what it is, no traffic. Sorted so that
 * of two records for the same place the one with the better priority counts, in whichever order a server lists them.
 */
function normalizeRecords(data: readonly SrvData[]): readonly ListedRecord[] {
  const listed = data
    .map(({ target, port, weight = 0, priority = 0 }) => ({ target: normalizeName(target), port, weight, priority }))
    .filter(({ target }) => target !== '')
    .sort((a, b) => b.priority - a.priority || a.weight - b.weight)
  const weighted = new Set(listed.filter(({ weight }) => weight > 0).map(({ priority }) => priority))
  return listed.map((record) => (weighted.has(record.priority) ? record : { ...record, weight: 1 }))
}
