import {
  type Balancer,
  type ClusterSource,
  checkClusterSource,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkObject,
  invalidError,
  splitPortReference,
} from '@sd/core'
import type { GrpcModule } from './grpc-js.ts'
import type { PolicyClient } from './policy-client.ts'

/** Settings that each service can override. */
export interface GrpcServiceSettings {
  /** Picks endpoints. */
  readonly balancer?: Balancer
  /** Metadata key whose value a consistent-hashing balancer hashes, such as `user-id`. @default none */
  readonly hashMetadata?: string
  /**
   * Time limit of calls and streams whose method has none in the channel's service config, in milliseconds; 0 for no
   * limit. An earlier deadline of the caller applies instead.
   *
   * @default 0
   */
  readonly timeoutMs?: number
}

/** Options of `registerServices`. */
export interface GrpcServicesOptions<Module extends GrpcModule = GrpcModule> extends GrpcServiceSettings {
  /** The copy of grpc-js that the clients use: `import * as grpc from '@grpc/grpc-js'`. */
  readonly grpc: Module
  /**
   * The client of `@sd/client` whose policies apply to calls of `channelFactory`. It must have the same discovery; its
   * balancer picks for these calls. It is not closed. @default none
   */
  readonly client?: PolicyClient
  /** Finds services, such as `createDiscovery(…)`. It is not closed. */
  readonly discovery: ClusterSource
  /** Picks endpoints, unless the service has its own balancer. */
  readonly balancer: Balancer
  /**
   * Scheme of the targets: `sd:///orders`. A later registration of the same scheme serves the channels that are created
   * from then on. @default 'sd'
   */
  readonly scheme?: string
  /**
   * Settings by service name; they override those of all services. Those of `orders` also apply to `orders:grpc`,
   * unless it has its own. @default {}
   */
  readonly services?: Readonly<Record<string, GrpcServiceSettings>>
}

/** Settings of one service with all defaults filled in. */
export interface ResolvedGrpcServiceSettings {
  /** See {@link GrpcServiceSettings.balancer}. */
  readonly balancer: Balancer
  /** See {@link GrpcServiceSettings.hashMetadata}. */
  readonly hashMetadata: string | undefined
  /** See {@link GrpcServiceSettings.timeoutMs}. */
  readonly timeoutMs: number
}

/** Options with their defaults filled in. */
export interface ResolvedGrpcServicesOptions {
  /** See {@link GrpcServicesOptions.grpc}. */
  readonly grpc: GrpcModule
  /** See {@link GrpcServicesOptions.discovery}. */
  readonly discovery: ClusterSource
  /** See {@link GrpcServicesOptions.client}. */
  readonly client: PolicyClient | undefined
  /** See {@link GrpcServicesOptions.scheme}. */
  readonly scheme: string
  /** Settings of a service. */
  readonly settingsOf: (service: string) => ResolvedGrpcServiceSettings
}

const settingKeys = ['balancer', 'hashMetadata', 'timeoutMs']

/** Schemes that grpc-js itself registers. */
const ownSchemes = ['dns', 'ipv4', 'ipv6', 'unix', 'xds']

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveGrpcServicesOptions(options: GrpcServicesOptions): ResolvedGrpcServicesOptions {
  checkKnownKeys('', checkObject('options', options), ['grpc', 'discovery', 'client', 'scheme', 'services', ...settingKeys])
  const { grpc, discovery, client, scheme = 'sd', services = {} } = options
  const experimental = (grpc as Partial<GrpcModule> | undefined)?.experimental
  checkFunction('grpc.experimental.registerResolver', experimental?.registerResolver as () => void)
  checkFunction('grpc.experimental.registerLoadBalancerType', experimental?.registerLoadBalancerType as () => void)
  const { createFromSecureContext } = (grpc as Partial<GrpcModule>).credentials ?? {}
  checkFunction('grpc.credentials.createFromSecureContext', createFromSecureContext as unknown as () => void)
  checkFunction('grpc.Channel', grpc.Channel as unknown as () => void)
  checkClusterSource('discovery', discovery)
  if (client !== undefined) checkFunction('client.forward', client.forward)
  if (typeof scheme !== 'string' || !/^[a-z][a-z0-9+.-]{0,62}$/.test(scheme) || ownSchemes.includes(scheme)) {
    throw invalidError('scheme', scheme, `lower-case letters, digits, "+", "." and "-", and none of ${ownSchemes.join(', ')}`)
  }
  const defaults = resolveGrpcServiceSettings('', options, {
    balancer: checkBalancer('balancer', options.balancer),
    hashMetadata: undefined,
    timeoutMs: 0,
  })
  const own = new Map(
    Object.entries(checkObject('services', services) as Record<string, GrpcServiceSettings>).map(([service, settings]) => {
      const path = `services.${service}`
      checkKnownKeys(path, checkObject(path, settings), settingKeys)
      return [service, resolveGrpcServiceSettings(`${path}.`, settings, defaults)]
    }),
  )
  // A named port has the settings of its service, unless it has its own.
  const settingsOf = (service: string): ResolvedGrpcServiceSettings =>
    own.get(service) ?? own.get(splitPortReference(service)?.service ?? service) ?? defaults
  return { grpc, discovery, client, scheme, settingsOf }
}

function resolveGrpcServiceSettings(
  prefix: string,
  settings: GrpcServiceSettings,
  defaults: ResolvedGrpcServiceSettings,
): ResolvedGrpcServiceSettings {
  const { balancer, hashMetadata, timeoutMs } = settings
  return {
    balancer: balancer === undefined ? defaults.balancer : checkBalancer(`${prefix}balancer`, balancer),
    hashMetadata: hashMetadata === undefined ? defaults.hashMetadata : checkMetadataKey(`${prefix}hashMetadata`, hashMetadata),
    timeoutMs: timeoutMs === undefined ? defaults.timeoutMs : checkDuration(`${prefix}timeoutMs`, timeoutMs),
  }
}

function checkBalancer(field: string, balancer: Balancer): Balancer {
  checkFunction(`${field}.createPicker`, checkObject(field, balancer)['createPicker'] as Balancer['createPicker'])
  return balancer
}

function checkMetadataKey(field: string, key: string): string {
  if (typeof key === 'string' && /^[a-z0-9_.-]{1,255}$/.test(key) && !key.endsWith('-bin')) return key
  throw invalidError(field, key, 'a metadata key in lower case that does not end with -bin')
}
