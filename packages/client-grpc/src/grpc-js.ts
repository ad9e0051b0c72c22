import { escapeName } from '@sd/core'
import type { GrpcCall } from './grpc-call.ts'
import type { GrpcMetadata, GrpcStatus } from './grpc-types.ts'
import { PinnedAttempt } from './pinned-attempt.ts'
import { createMethodFinder, readServiceConfig } from './service-config.ts'
import { statusCodes } from './status-codes.ts'

/*
 * The only file that knows grpc-js' experimental API, and its differences between 1.11 and 1.14. It declares its own types,
 * because those of one version do not fit another.
 */

/** grpc-js as in `import * as grpc from '@grpc/grpc-js'`, version 1.11 or later. */
export interface GrpcModule {
  /** Creates metadata. */
  readonly Metadata: new (
    options?: object,
  ) => object
  /** Creates channels. */
  readonly Channel: new (
    target: string,
    credentials: never,
    options: never,
  ) => object
  /** Creates channel credentials. */
  readonly credentials: {
    /** Creates credentials from a secure context of `node:tls`. */
    readonly createFromSecureContext: (context: never) => object
  }
  /** The experimental API. */
  readonly experimental: {
    /** Sets the resolver of a scheme, and replaces the previous one. */
    readonly registerResolver: (scheme: string, resolver: never) => void
    /** Sets a load-balancing policy, and replaces the previous one. */
    readonly registerLoadBalancerType: (name: string, policy: never, config: never) => void
  }
}

/** Connectivity of channels and subchannels: `grpc.connectivityState`. */
export const connectivity = { idle: 0, connecting: 1, ready: 2, transientFailure: 3 } as const

/** One of {@link connectivity}. */
export type Connectivity = (typeof connectivity)[keyof typeof connectivity]

/** `grpc.experimental.PickResultType`. */
const pickResultTypes = { complete: 0, queue: 1, fail: 2, drop: 3 } as const

const pushbackKey = 'grpc-retry-pushback-ms'

/** Called after the connectivity of a subchannel has changed. */
export type SubchannelListener = (
  subchannel: unknown,
  previous: number,
  state: number,
  keepaliveTimeMs: number,
  errorMessage?: string,
) => void

/** A connection to one address, shared by the channels of a target. */
export interface Subchannel {
  ref(): void
  unref(): void
  startConnecting(): void
  getConnectivityState(): number
  addConnectivityStateListener(listener: SubchannelListener): void
  removeConnectivityStateListener(listener: SubchannelListener): void
  getRealSubchannel(): { resetBackoff(): void }
}

/** A channel as its policy sees it. */
export interface ChannelControl {
  /** Creates a subchannel to an address. Host names are resolved when it connects. */
  createSubchannel(address: { readonly host: string; readonly port: number }): Subchannel
  /** Sets the channel's state, with a reason if it has failed. Waiting calls pick again. */
  publish(state: Connectivity, error?: string): void
}

/** Result of a pick: the call is sent on a subchannel, waits, fails unless it waits for ready, or fails at once. */
export type PickDecision =
  | { readonly kind: 'complete'; readonly subchannel: Subchannel; readonly attempt: PickedAttempt }
  | { readonly kind: 'queue' }
  | { readonly kind: 'fail'; readonly details: string }
  | { readonly kind: 'drop'; readonly details: string }

/** Receives the events of a picked attempt. */
export interface PickedAttempt {
  /** The request is being sent. */
  start(): void
  /** The attempt has ended. @param pushback from the trailers; grpc-js provides it since 1.14 */
  end(code: number, details: string, pushback?: string): void
}

/** A call that needs a subchannel: one that this package counts, or an attempt that the policies of a client make. */
export type PickedCall = GrpcCall | PinnedAttempt

/** The load-balancing policy of one channel. */
export interface ChannelPolicy {
  start(): void
  pick(call: PickedCall): PickDecision
  resetBackoff(): void
  close(): void
}

/** Implements a scheme. */
export interface SchemeHandlers {
  /** Limit of a service's calls for which the channel's service config has none, in milliseconds; 0 for none. */
  timeoutMs(service: string): number
  /** Creates the policy of a channel. */
  openChannel(service: string, control: ChannelControl): ChannelPolicy
  /** A call of a method begins. */
  startCall(service: string, path: string, metadata: GrpcMetadata): PickedCall
}

interface ChannelControlHelper {
  createSubchannel(address: object, channelOptions: object): Subchannel
  updateState(state: Connectivity, picker: object, errorMessage: string | null): void
}

/** A function in 1.14; an object with a method in earlier versions. */
type ResolverListener =
  | ((endpoints: object, attributes: object, serviceConfig: object, resolutionNote: string) => boolean)
  | {
      onSuccessfulResolution(endpoints: [], serviceConfig: object, error: null, configSelector: object, attributes: object): void
    }

/** A load-balancing config. grpc-js passes it on from the resolver without serialising it, so it can carry functions. */
interface PolicyConfig {
  getLoadBalancerName(): string
  toJsonObject(): object
  open(helper: ChannelControlHelper): ChannelPolicy
}

/** Attribute in which 1.14 expects the config selector. */
const configSelectorKey = 'grpc.internal.config_selector'

/** Name of the load-balancing policy in grpc-js: one for all schemes. */
const policyName = 'sd'

/** Registers a scheme: grpc-js then uses `handlers` for each of its targets. */
export function installScheme(grpc: GrpcModule, scheme: string, handlers: SchemeHandlers): void {
  /** Only selects the policy of a channel: the policy itself follows the cluster. */
  class SchemeResolver {
    /** The name that the server's certificate must have, and `:authority`: the service, encoded as a host name. */
    static getDefaultAuthority({ path }: { readonly path: string }): string {
      return escapeName(decodeName(path))
    }

    readonly #resolverListener: ResolverListener
    readonly #serviceConfig: object
    readonly #configSelector: object
    #isWanted = false

    constructor({ path }: { readonly path: string }, listener: ResolverListener, channelOptions: Record<string, unknown>) {
      const service = decodeName(path)
      const policy: PolicyConfig = {
        getLoadBalancerName: () => policyName,
        toJsonObject: () => ({ [policyName]: { service } }),
        open: (helper) => openChannel(grpc, helper, channelOptions, (control) => handlers.openChannel(service, control)),
      }
      const config = readServiceConfig(channelOptions['grpc.service_config'])
      const findMethod = createMethodFinder(config, handlers.timeoutMs(service))
      function select(method: string, metadata: GrpcMetadata): object {
        const call = handlers.startCall(service, method, metadata)
        const dynamicFilterFactories = [{ createFilter: () => new CallFilter(call) }]
        // The policies decide on the limits and retries of an attempt.
        const methodConfig = call instanceof PinnedAttempt ? { name: [] } : findMethod(method)
        return { methodConfig, pickInformation: call, status: 0, dynamicFilterFactories }
      }
      this.#resolverListener = listener
      this.#serviceConfig = { ...config, loadBalancingConfig: [{ [policyName]: policy }] }
      // A function up to 1.12; an object with two methods since.
      this.#configSelector = Object.assign(select, { invoke: select, unref: () => undefined })
    }

    updateResolution(): void {
      if (this.#isWanted) return
      this.#isWanted = true
      process.nextTick(() => this.#report())
    }

    /** May be used again afterwards, when an idle channel gets a call. */
    destroy(): void {
      this.#isWanted = false
    }

    #report(): void {
      if (!this.#isWanted) return
      const selector = this.#configSelector
      if (typeof this.#resolverListener === 'function') {
        const attributes = { [configSelectorKey]: selector }
        this.#resolverListener({ ok: true, value: [] }, attributes, { ok: true, value: this.#serviceConfig }, '')
      } else {
        this.#resolverListener.onSuccessfulResolution([], this.#serviceConfig, null, selector, {})
      }
    }
  }

  const configs = { createFromJson: (config: PolicyConfig) => config }
  grpc.experimental.registerLoadBalancerType(policyName, ConfiguredPolicy as never, configs as never)
  grpc.experimental.registerResolver(scheme, SchemeResolver as never)
}

/** Created by grpc-js for a channel. The config, which follows, has the implementation. */
class ConfiguredPolicy {
  readonly #helper: ChannelControlHelper
  #policy: ChannelPolicy | undefined

  constructor(helper: ChannelControlHelper) {
    this.#helper = helper
  }

  updateAddressList(_endpoints: object, config: PolicyConfig): true {
    if (!this.#policy) {
      this.#policy = config.open(this.#helper)
      this.#policy.start()
    }
    return true
  }

  exitIdle(): void {
    // It is never idle: grpc-js ends it when the channel goes idle.
  }

  resetBackoff(): void {
    this.#policy?.resetBackoff()
  }

  destroy(): void {
    this.#policy?.close()
  }

  getTypeName(): string {
    return policyName
  }
}

/** By default grpc-js waits up to two minutes between connection attempts: too long after an instance is reachable again. */
const ceiling = { 'grpc.max_reconnect_backoff_ms': 5_000 }

/** @param channelOptions options for subchannels; since 1.13 these do not inherit from the channel */
function openChannel(
  grpc: GrpcModule,
  helper: ChannelControlHelper,
  channelOptions: object,
  open: (control: ChannelControl) => ChannelPolicy,
): ChannelPolicy {
  const policy = open({
    createSubchannel: (address) => helper.createSubchannel(address, { ...ceiling, ...channelOptions }),
    publish: (state, error) => helper.updateState(state, picker, error ?? null),
  })
  const picker = {
    // The config selector's `pickInformation`: the call.
    pick: ({ extraPickInfo }: { extraPickInfo: PickedCall }) => toPickResult(policy.pick(extraPickInfo), grpc),
  }
  return policy
}

/** Name of the service that a target is for; `undefined` for a target of another scheme. */
export function decodeTarget(scheme: string, target: string): string | undefined {
  const [, name] = target.startsWith(`${scheme}:`) ? (/^[^:]*:(?:\/\/[^/]*\/)?(.+)$/.exec(target) ?? []) : []
  return name === undefined ? undefined : decodeName(name)
}

/** A target escapes special characters as in any URI. */
function decodeName(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** Observes the head and the status of a call, and changes nothing. */
class CallFilter {
  readonly #call: PickedCall

  constructor(call: PickedCall) {
    this.#call = call
  }

  sendMetadata<T>(metadata: T): T {
    return metadata
  }

  receiveMetadata<T>(metadata: T): T {
    this.#call.receiveHeaders()
    return metadata
  }

  sendMessage<T>(message: T): T {
    return message
  }

  receiveMessage<T>(message: T): T {
    return message
  }

  receiveTrailers<T extends GrpcStatus>(status: T): T {
    this.#call.end(status.code, status.details)
    return status
  }
}

function toPickResult(decision: PickDecision, grpc: GrpcModule): object {
  const pickResultType = pickResultTypes[decision.kind]
  if (decision.kind === 'complete') {
    const { subchannel, attempt } = decision
    return {
      pickResultType,
      subchannel,
      status: null,
      onCallStarted: () => attempt.start(),
      // Details and metadata are available since 1.14.
      onCallEnded: (code: number, details: string = '', metadata?: GrpcMetadata) =>
        attempt.end(code, details, metadata?.get(pushbackKey)[0]?.toString()),
    }
  }
  const status =
    decision.kind === 'queue' ? null : { code: statusCodes.unavailable, details: decision.details, metadata: new grpc.Metadata() }
  return { pickResultType, subchannel: null, status, onCallStarted: null, onCallEnded: null }
}
