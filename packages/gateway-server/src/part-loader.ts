import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ClusterSource, checkFunction, checkKnownKeys, checkObject, invalidError, type RateLimiter, SdError } from '@sd/core'
import type { FilterFactory, GatewayProtocol } from '@sd/gateway'
import type { DocumentParts, DocumentUses } from '@sd/gateway-document'

/** What packages need beside the options in the document. */
interface PartContext {
  readonly discovery: ClusterSource
  /** The rate limiters of the gateway; without one, stand-ins for those of the document. */
  readonly rateLimiters: () => Readonly<Record<string, RateLimiter>>
  /** Receives what goes wrong while a part is used. */
  readonly onError: (error: SdError) => void
}

/** Filters that a document may use. Their packages are loaded when one does. */
const filterPackages: Readonly<Record<string, (context: PartContext) => Promise<FilterFactory>>> = {
  'auth-forward': async () => (await import('@sd/gateway-auth-forward')).createAuthForwardFilter(),
  'auth-jwt': async () => (await import('@sd/gateway-auth-jwt')).createAuthJwtFilter(),
  cache: async () => (await import('@sd/gateway-cache')).createCacheFilter(),
  compress: async () => (await import('@sd/gateway-compress')).createCompressFilter(),
  cors: async () => (await import('@sd/gateway-cors')).createCorsFilter(),
  'fault-injection': async () => (await import('@sd/gateway-fault-injection')).createFaultInjectionFilter(),
  'ip-access': async ({ onError }) => (await import('@sd/gateway-ip-access')).createIpAccessFilter({ onError }),
  async 'rate-limit'({ rateLimiters }) {
    const { createRateLimitFilter } = await import('@sd/gateway-rate-limit')
    return (options, scope) => createRateLimitFilter({ limiters: rateLimiters() })(options, scope)
  },
}

/** Protocols that a document may use. Their packages are loaded when one does. */
const protocolPackages: Readonly<Record<string, (context: PartContext) => Promise<GatewayProtocol>>> = {
  grpc: async ({ discovery }) => (await import('@sd/gateway-grpc')).createGrpc({ discovery }),
  tcp: async () => (await import('@sd/gateway-tcp')).createTcp(),
  udp: async () => (await import('@sd/gateway-udp')).createUdp(),
  websocket: async () => (await import('@sd/gateway-websocket')).createWebSocket(),
}

/** What the modules of `plugins` export. */
interface Plugin {
  /** @default none */
  readonly filters?: Readonly<Record<string, FilterFactory>>
  /** @default none */
  readonly protocols?: readonly GatewayProtocol[]
}

/** What a gateway has while it runs. */
export interface RunningParts {
  readonly discovery: ClusterSource
  readonly rateLimiters: Readonly<Record<string, RateLimiter>>
}

/** Loads the filters and protocols that documents use. */
export interface PartLoader {
  /** For the gateway. What a later document uses is added before the gateway gets its table. */
  readonly filters: Readonly<Record<string, FilterFactory>>
  /** For the gateway, as `filters`. */
  readonly protocols: readonly GatewayProtocol[]
  /** Loads what a document uses. @returns what it may use @throws SdError `SD_INVALID` that names the plugin */
  load(uses: DocumentUses): Promise<DocumentParts>
  /** Gives the parts what is made from a document that has been loaded. */
  start(running: RunningParts): void
}

/** Creates a loader. @param file path of the document, to which the paths of plugins are relative @param onError receives what goes wrong later */
export function createPartLoader(file: string, onError: PartContext['onError'] = () => {}): PartLoader {
  const factories = new Map<string, FilterFactory>()
  const builtIn: Readonly<Record<string, FilterFactory>> = Object.fromEntries(
    // A factory is called only for a filter that a document uses, so that it has been loaded.
    Object.keys(filterPackages).map((name) => [name, (...given) => (factories.get(name) as FilterFactory)(...given)]),
  )
  const filters: Record<string, FilterFactory> = { ...builtIn }
  const protocols: GatewayProtocol[] = []
  const plugins = new Map<string, Plugin>()
  let running: RunningParts | undefined
  let standIns: RunningParts['rateLimiters'] = {}
  function whileRunning(): RunningParts {
    if (!running) throw new SdError('SD_UNAVAILABLE', 'A filter or protocol is used before the gateway has started')
    return running
  }
  const context: PartContext = {
    discovery: { cluster: (service) => whileRunning().discovery.cluster(service) },
    rateLimiters: () => running?.rateLimiters ?? standIns,
    onError,
  }

  async function loadPlugin(path: string, field: string): Promise<Plugin> {
    const known = plugins.get(path)
    if (known) return known
    const plugin = checkPlugin(field, await importPlugin(resolve(dirname(file), path), path, field))
    for (const name of Object.keys(plugin.filters ?? {})) {
      if (Object.hasOwn(filters, name)) throw invalidError(field, `a filter ${name}`, 'names that no other filter has')
    }
    for (const { name } of plugin.protocols ?? []) {
      const isTaken = Object.hasOwn(protocolPackages, name) || protocols.some((protocol) => protocol.name === name)
      if (isTaken) throw invalidError(field, `a protocol ${name}`, 'names that no other protocol has')
    }
    Object.assign(filters, plugin.filters)
    protocols.push(...(plugin.protocols ?? []))
    plugins.set(path, plugin)
    return plugin
  }

  return {
    filters,
    protocols,
    start(given) {
      running = given
    },
    async load(uses) {
      standIns = Object.fromEntries(uses.rateLimiters.map((name) => [name, { acquire: unused, close: unused } as never]))
      for (const name of uses.filters) {
        const load = Object.hasOwn(filterPackages, name) ? filterPackages[name] : undefined
        if (load && !factories.has(name)) factories.set(name, await load(context))
      }
      for (const name of uses.protocols) {
        const load = Object.hasOwn(protocolPackages, name) ? protocolPackages[name] : undefined
        if (load && !protocols.some((protocol) => protocol.name === name)) protocols.push(await load(context))
      }
      const loaded: Plugin[] = []
      for (const [index, path] of uses.plugins.entries()) loaded.push(await loadPlugin(path, `plugins[${index}]`))
      const others = new Set(
        [...plugins.values()].filter((plugin) => !loaded.includes(plugin)).flatMap((plugin) => plugin.protocols ?? []),
      )
      return {
        filters: Object.assign({}, builtIn, ...loaded.map((plugin) => plugin.filters)),
        protocols: protocols.filter((protocol) => !others.has(protocol)),
      }
    },
  }
}

/** Only for checks, which call no limiter. */
function unused(): never {
  throw new SdError('SD_UNAVAILABLE', 'The gateway has not started')
}

async function importPlugin(path: string, given: string, field: string): Promise<object> {
  try {
    return await import(pathToFileURL(path).href)
  } catch (error) {
    throw invalidError(field, given, `a module that can be loaded: ${(error as Error).message}`)
  }
}

/** The gateway checks protocols, when it gets them. */
function checkPlugin(field: string, { ...exported }: Plugin): Plugin {
  checkKnownKeys(field, exported, ['filters', 'protocols'])
  const { filters = {}, protocols = [] } = exported
  for (const [name, factory] of Object.entries(checkObject(`${field}.filters`, filters))) {
    checkFunction(`${field}.filters.${name}`, factory as FilterFactory)
  }
  if (!Array.isArray(protocols)) throw invalidError(`${field}.protocols`, protocols, 'an array of protocols')
  return exported
}
