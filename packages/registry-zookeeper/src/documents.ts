import {
  buildForeignInstance,
  decodeInstance,
  dubboPorts,
  dubboProtocol,
  type InstanceDocument,
  type InstancePlace,
  isKratosDocument,
  kratosPorts,
  kratosProtocol,
  parseJsonObject,
} from '@sd/adapter-kit'
import { escapeName, type HealthStatus, SdError, type ServiceInstance, unescapeName } from '@sd/core'

type Fields = Readonly<Record<string, unknown>>

/** Name of a Dubbo node: the provider's URL, encoded. */
const providerName = /^[a-z][a-z0-9.+-]*%3A%2F%2F/i

/** Returns the id of the instance in a node. */
export function idOfNode(node: string): string {
  const provider = parseProvider(node)
  return provider ? idOfProvider(provider) : unescapeName(node)
}

/**
 * Returns the name of the service in a folder, or `undefined` for a folder of another tool whose name this package
 * would write differently.
 */
export function serviceOfNode(node: string): string | undefined {
  const service = unescapeName(node)
  return escapeName(service) === node ? service : undefined
}

/**
 * Reads a node: a document of this package, of Curator (Spring Cloud, Dubbo's application level), of Kratos, or a
 * provider of Dubbo's interface level in its name. A node without data can't be read.
 *
 * @throws SdError `SD_MALFORMED`
 */
export function readDocument(service: string, node: string, text: string): InstanceDocument {
  const place = { service, id: idOfNode(node) }
  const provider = parseProvider(node)
  if (provider) return { instance: readDubbo(provider, place) }
  if (text === '') throw new SdError('SD_MALFORMED', `node ${node} of ${service} has no data`)
  const document = parseJsonObject(text, `instance ${place.id} of ${service}`)
  if ('serviceType' in document || 'uriSpec' in document || 'sslPort' in document) {
    return { instance: readCurator(document, place) }
  }
  if (isKratosDocument(document)) return { instance: readKratos(document, document['endpoints'] as readonly unknown[], place) }
  return decodeInstance(text, place)
}

/** `{ name, id, address, port, sslPort, payload: { metadata }, enabled }`; Spring adds a status to the metadata. */
function readCurator(document: Fields, place: InstancePlace): ServiceInstance {
  const { address, port, sslPort, payload, enabled } = document
  const secure = sslPort !== null && sslPort !== undefined
  const metadata = readLabels((payload as Fields | null | undefined)?.['metadata'])
  const isUp = enabled !== false && (metadata['instance_status'] ?? 'UP') === 'UP'
  const health: HealthStatus = isUp ? 'healthy' : 'draining'
  return buildForeignInstance({
    ...place,
    address: address as string,
    port: (secure ? sslPort : port) as number,
    // Dubbo's application level.
    ports: dubboPorts(metadata['dubbo.endpoints']),
    protocol: dubboProtocol(metadata['dubbo.endpoints'], port as number) ?? (secure ? 'https' : 'http'),
    metadata,
    health,
    ...readVersion(metadata),
  })
}

/** `{ id, name, version, metadata, endpoints: ['http://host:port?isSecure=false'] }`; the first endpoint is used. */
function readKratos(document: Fields, endpoints: readonly unknown[], place: InstancePlace): ServiceInstance {
  const url = parseUrl(String(endpoints[0]))
  return buildForeignInstance({
    ...place,
    address: url && hostOf(url),
    port: url && portOf(url),
    ports: kratosPorts(endpoints),
    protocol: url && kratosProtocol(url),
    metadata: readLabels(document['metadata']),
    ...readVersion(document),
  })
}

/** `dubbo://host:port/interface?application=…&weight=…&version=…` */
function readDubbo(url: URL, place: InstancePlace): ServiceInstance {
  const metadata = Object.fromEntries(url.searchParams)
  const { weight, disabled } = metadata
  return buildForeignInstance({
    ...place,
    address: hostOf(url),
    port: portOf(url),
    protocol: url.protocol.slice(0, -1),
    metadata,
    weight: weight === undefined ? undefined : Number(weight),
    health: disabled === 'true' ? 'draining' : 'healthy',
    ...readVersion(metadata),
  })
}

function parseProvider(node: string): URL | undefined {
  if (!providerName.test(node)) return undefined
  try {
    return parseUrl(decodeURIComponent(node))
  } catch {
    return undefined
  }
}

/** Several groups or versions at one address are different instances. */
function idOfProvider({ host, searchParams }: URL): string {
  const marks = ['group', 'version'].map((key) => searchParams.get(key)).filter((mark) => mark)
  return [host, ...marks].join('/').slice(0, 255)
}

function readVersion({ version }: Fields): { readonly version?: string } {
  return typeof version === 'string' && version !== '' ? { version } : {}
}

function readLabels(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter(([, label]) => typeof label === 'string'))
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/** A URL omits the default port of its scheme. */
function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
