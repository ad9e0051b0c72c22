import { escapeName } from '@sd/core'
import type { GrpcCall } from './grpc-call.ts'
import type { GrpcMetadata, GrpcStatus } from './grpc-types.ts'
import { PinnedAttempt } from './pinned-attempt.ts'
import { createMethodFinder, readServiceConfig } from './service-config.ts'
import { statusCodes } from './status-codes.ts'

/*
 * All that is known here of grpc-js' experimental API and of how it differs from 1.11 to 1.14. Types are our own, because those of one
 * version fit no other.
 */

/** grpc-js as `import * as grpc from '@grpc/grpc-js'` gives it, of any version from 1.11 on. */
export interface GrpcModule {
  /** Makes metadata. */
  readonly Metadata: new (
    options?: object,
  ) => object
  /** Makes channels. */
  readonly Channel: new (
    target: string,
    credentials: never,
    options: never,
  ) => object
  /** Makes credentials of channels. */
  readonly credentials: {
    /** Credentials with a context of `node:tls`. */
    readonly createFromSecureContext: (context: never) => object
  }
  /** The experimental API. */
  readonly experimental: {
    /** Sets the resolver of a scheme, instead of the one before. */
    readonly registerResolver: (scheme: string, resolver: never) => void
    /** Sets a load-balancing policy, instead of the one before. */
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

/** Told when the connectivity of a subchannel changed. */
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
  /** A subchannel to an address; host names are looked up when it connects. */
  createSubchannel(address: { readonly host: string; readonly port: number }): Subchannel
  /** Tells how the channel is, and why where it fails; calls that wait pick again. */
  publish(state: Connectivity, error?: string): void
}

/** What becomes of a call: sent on a subchannel, made to wait, failed unless it waits for ready, or failed at once. */
export type PickDecision =
  | { readonly kind: 'complete'; readonly subchannel: Subchannel; readonly attempt: PickedAttempt }
  | { readonly kind: 'queue' }
  | { readonly kind: 'fail'; readonly details: string }
  | { readonly kind: 'drop'; readonly details: string }

/** Told of what was picked. */
export interface PickedAttempt {
  /** The request is being sent. */
  start(): void
  /** @param pushback of the trailers; grpc-js tells of it since 1.14 */
  end(code: number, details: string, pushback?: string): void
}

/** A call as it comes to the policy: one that is counted here, or an attempt that the policies of a client make. */
export type PickedCall = GrpcCall | PinnedAttempt

/** A load-balancing policy at work on one channel. */
export interface ChannelPolicy {
  start(): void
  pick(call: PickedCall): PickDecision
  resetBackoff(): void
  close(): void
}

/** What is behind a scheme. */
export interface SchemeHandlers {
  /** Limit of a service's calls for which the channel's service config has none, in milliseconds; 0 for none. */
  timeoutMs(service: string): number
  /** Puts a policy to work on a channel. */
  openChannel(service: string, control: ChannelControl): ChannelPolicy
  /** A call of a method begins. */
  startCall(service: string, path: string, metadata: GrpcMetadata): PickedCall
}

interface ChannelControlHelper {
  createSubchannel(address: object, channelOptions: object): Subchannel
  updateState(state: Connectivity, picker: object, errorMessage: string | null): void
}

/** In 1.14 a function, before an object with a method. */
type ResolverListener =
  | ((endpoints: object, attributes: object, serviceConfig: object, resolutionNote: string) => boolean)
  | {
      onSuccessfulResolution(endpoints: [], serviceConfig: object, error: null, configSelector: object, attributes: object): void
    }

/** A load-balancing config: it is not serialised on its way from the resolver, so it brings along what to do. */
interface PolicyConfig {
  getLoadBalancerName(): string
  toJsonObject(): object
  open(helper: ChannelControlHelper): ChannelPolicy
}

/** Where 1.14 looks for the config selector. */
const configSelectorKey = 'grpc.internal.config_selector'

/** Name of the load-balancing policy in grpc-js: one for all schemes. */
const policyName = 'sd'

/** Makes grpc-js ask `handlers` about every target of a scheme. */
export function installScheme(grpc: GrpcModule, scheme: string, handlers: SchemeHandlers): void {
  /** Says only which policy a channel has: the policy follows the cluster itself. */
  class SchemeResolver {
    /** What the server's certificate must be for, and `:authority`: the service, in characters that a host name may have. */
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
        // Limits and retries of an attempt are those of the policies.
        const methodConfig = call instanceof PinnedAttempt ? { name: [] } : findMethod(method)
        return { methodConfig, pickInformation: call, status: 0, dynamicFilterFactories }
      }
      this.#resolverListener = listener
      this.#serviceConfig = { ...config, loadBalancingConfig: [{ [policyName]: policy }] }
      // A function up to 1.12, an object with two methods since.
      this.#configSelector = Object.assign(select, { invoke: select, unref: () => undefined })
    }

    updateResolution(): void {
      if (this.#isWanted) return
      this.#isWanted = true
      process.nextTick(() => this.#report())
    }

    /** May be asked again afterwards, when an idle channel is used. */
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

/** What grpc-js makes for a channel, before it hands over the config that says what to do. */
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

/** grpc-js itself waits up to two minutes before it tries to connect again: an instance that was away would be found long after it is back. */
const ceiling = { 'grpc.max_reconnect_backoff_ms': 5_000 }

/** @param channelOptions what subchannels are made with; from 1.13 on they take nothing from the channel by themselves */
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
    // What the config selector gave as information for the pick: the call.
    pick: ({ extraPickInfo }: { extraPickInfo: PickedCall }) => toPickResult(policy.pick(extraPickInfo), grpc),
  }
  return policy
}

/** Name of the service that a target is for; `undefined` for a target of another scheme. */
export function decodeTarget(scheme: string, target: string): string | undefined {
  const [, name] = target.startsWith(`${scheme}:`) ? (/^[^:]*:(?:\/\/[^/]*\/)?(.+)$/.exec(target) ?? []) : []
  return name === undefined ? undefined : decodeName(name)
}

/** Names with special characters are escaped in a target as in any URI. */
function decodeName(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** Sees the head and the status of a call, and changes nothing. */
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
      // Details and metadata are told since 1.14.
      onCallEnded: (code: number, details: string = '', metadata?: GrpcMetadata) =>
        attempt.end(code, details, metadata?.get(pushbackKey)[0]?.toString()),
    }
  }
  const status =
    decision.kind === 'queue' ? null : { code: statusCodes.unavailable, details: decision.details, metadata: new grpc.Metadata() }
  return { pickResultType, subchannel: null, status, onCallStarted: null, onCallEnded: null }
}
