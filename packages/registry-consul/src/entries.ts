import { buildForeignInstance, decodeInstance, kratosPorts, kratosProtocol } from '@sd/adapter-kit'
import { type HealthStatus, SdError, type ServiceInstance, updateServiceInstance } from '@sd/core'
import { isHeartbeat, readInstanceId } from './layout.ts'

/** The part of a Consul service entry that is read here. All of it is untrusted input. */
export interface Entry {
  readonly Node: { readonly Node: string; readonly Address: string }
  readonly Service: {
    readonly ID: string
    readonly Service: string
    readonly Tags: readonly string[] | null
    readonly Address: string
    readonly Port: number
    readonly Meta: Readonly<Record<string, string>> | null
    readonly TaggedAddresses?: Readonly<Record<string, { readonly Address: string; readonly Port: number }>> | null
    readonly Weights?: { readonly Passing: number }
  }
  readonly Checks: readonly Check[]
}

interface Check {
  readonly CheckID: string
  readonly Name: string
  readonly Status: string
  readonly Notes: string
  readonly Output: string
  readonly ServiceID: string
}

/**
 * Returns the entries of a response that match `name` in case: Consul's names ignore case, ours do not. @throws SdError
 * `SD_MALFORMED`
 */
export function readEntries(body: unknown, name: string): readonly Entry[] {
  if (!Array.isArray(body)) throw new SdError('SD_MALFORMED', `The list of ${name} is not an array`)
  return (body as readonly Entry[]).filter(({ Service }) => Service.Service === name)
}

/**
 * Reads an instance: one of ours from the document in its heartbeat check, any other from Consul's own fields.
 *
 * @param shared ids that exist on several nodes, see {@link sharedIds}
 * @returns `undefined` for an instance of ours whose heartbeats have stopped
 * @throws SdError `SD_MALFORMED`
 */
export function readEntry(entry: Entry, service: string, shared: ReadonlySet<string>): ServiceInstance | undefined {
  const heartbeat = entry.Checks.find(({ CheckID, ServiceID }) => ServiceID === entry.Service.ID && isHeartbeat(CheckID))
  if (!heartbeat) return readForeign(entry, service, shared)
  const isCritical = heartbeat.Status === 'critical'
  if (isCritical && heartbeat.Output !== '') return undefined
  const id = readInstanceId(entry.Service.Service, entry.Service.ID)
  const { instance } = decodeInstance(heartbeat.Notes, { service, id })
  // A restarted agent has not received a heartbeat yet. The instance may be healthy, but should not get traffic until then.
  const verdict = judge(isCritical ? [heartbeat] : entry.Checks.filter((check) => check !== heartbeat))
  const isWorse = verdict.status === 'draining' || verdict.status === 'unhealthy'
  if (!isWorse || instance.health.status === 'draining') return instance
  return updateServiceInstance(instance, { health: verdict }, instance.updatedAt)
}

/**
 * Returns the id of an instance that another tool registered. Consul's ids are unique only within a node, so an id that
 * equals the service's name, or that exists on several nodes, is prefixed with its node.
 *
 * @param shared ids that exist on several nodes
 */
export function foreignId({ Node, Service }: Entry, shared: ReadonlySet<string>): string {
  return Service.ID === Service.Service || shared.has(Service.ID) ? `${Node.Node}/${Service.ID}` : Service.ID
}

/** Returns the ids that exist on several nodes. */
export function sharedIds(entries: readonly Entry[]): ReadonlySet<string> {
  const nodeOf = new Map<string, string>()
  const shared = new Set<string>()
  for (const { Node, Service } of entries) {
    const before = nodeOf.get(Service.ID)
    if (before !== undefined && before !== Node.Node) shared.add(Service.ID)
    nodeOf.set(Service.ID, Node.Node)
  }
  return shared
}

// Fields that other tools share: Spring Cloud has metadata in Meta, older versions of it in tags `key=value`. Kratos
// has the version in a tag, and its endpoints, with their schemes, in the tagged addresses.
function readForeign(entry: Entry, service: string, shared: ReadonlySet<string>): ServiceInstance {
  const { Service, Node, Checks } = entry
  const tags = (Service.Tags ?? []).filter(isLabel)
  const pairs = tags.flatMap((tag) => (tag.indexOf('=') > 0 ? [splitPair(tag)] : []))
  const labels = [...pairs, ...Object.entries(Service.Meta ?? {})]
  const metadata = Object.fromEntries(labels.filter(([key]) => isLabel(key) && !key.startsWith('sd.')))
  const { version, secure, zone } = metadata
  const scheme = schemeOf(entry)
  const isSecure = secure === 'true' || tags.includes('secure')
  return buildForeignInstance({
    service,
    id: foreignId(entry, shared),
    address: Service.Address === '' ? Node.Address : Service.Address,
    port: Service.Port,
    ports: kratosPorts(endpointsOf(entry)),
    protocol: isSecure ? secureScheme(scheme) : scheme,
    version: isLabel(version) ? version : undefined,
    weight: Service.Weights?.Passing,
    tags,
    metadata,
    locality: isLabel(zone) ? { zone } : undefined,
    health: judge(Checks),
  })
}

function judge(checks: readonly Check[]): { readonly status: HealthStatus; readonly message?: string } {
  const isMaintained = checks.some(({ CheckID }) => /^_(?:node|service)_maintenance/.test(CheckID))
  if (isMaintained) return { status: 'draining', message: 'in maintenance mode' }
  const critical = checks.find(({ Status }) => Status === 'critical')
  if (critical) {
    return { status: 'unhealthy', message: `${critical.Name}: ${critical.Output}`.slice(0, 1_024).toWellFormed() }
  }
  return { status: checks.length === 0 ? 'unknown' : 'healthy' }
}

/**
 * Tagged addresses that are URLs. Those of the service's own port come first, because an entry may have several hosts.
 */
function endpointsOf({ Service }: Entry): readonly string[] {
  const urls = Object.values(Service.TaggedAddresses ?? {}).filter(({ Address }) => Address.includes('://'))
  return [...urls.filter(({ Port }) => Port === Service.Port), ...urls].map(({ Address }) => Address)
}

/** Returns the protocol of the tagged address with the service's own port, if that is a URL. */
function schemeOf({ Service }: Entry): string | undefined {
  for (const { Address, Port } of Object.values(Service.TaggedAddresses ?? {})) {
    const url = /^[a-z][a-z0-9+.-]{0,31}:\/\//.test(Address) ? URL.parse(Address) : null
    if (url && Port === Service.Port) return kratosProtocol(url)
  }
  return undefined
}

/** Returns the TLS variant of a scheme, for entries whose Meta or tags declare TLS. */
function secureScheme(scheme: string = 'http'): string {
  return scheme === 'http' || scheme === 'grpc' ? `${scheme}s` : scheme
}

function splitPair(tag: string): [string, string] {
  const at = tag.indexOf('=')
  return [tag.slice(0, at), tag.slice(at + 1)]
}

/**
 * Whether a text can be a tag, a key or a version: short, not empty, without surrounding white space and control
 * characters.
 */
function isLabel(text: unknown): text is string {
  return typeof text === 'string' && /^[^\s\p{Cc}\p{Cs}](?:[^\p{Cc}\p{Cs}]{0,253}[^\s\p{Cc}\p{Cs}])?$/u.test(text)
}
