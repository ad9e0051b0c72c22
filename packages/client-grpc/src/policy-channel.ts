import { SdError } from '@sd/core'
import type { GrpcModule } from './grpc-js.ts'
import type { ChannelCall, GrpcChannel, ParentCall } from './grpc-types.ts'
import type { MethodKind } from './method-kinds.ts'
import { PolicyCall, type PolicyCallContext } from './policy-call.ts'
import type { PolicyClient } from './policy-client.ts'
import { createMethodFinder, readServiceConfig } from './service-config.ts'

/** Input of a channel with policies. */
export interface PolicyChannelInit {
  readonly grpc: GrpcModule
  readonly client: PolicyClient
  readonly service: string
  /** The channel of grpc-js that connects, and sends calls where they are pinned. */
  readonly channel: GrpcChannel
  readonly hashMetadata: string | undefined
  /** Time limit of calls whose method has none in the service config, in milliseconds; 0 for none. */
  readonly timeoutMs: number
  /** The channel option `grpc.service_config`. */
  readonly serviceConfig: unknown
  readonly kindOf: (path: string) => MethodKind
  /** The reason why no calls are possible, if so. */
  readonly refusal: () => string | undefined
  readonly instances: PolicyCallContext['instances']
  readonly wait: PolicyCallContext['wait']
  readonly onClose: (channel: PolicyChannel) => void
}

const shutdown = 4

/** A channel of grpc-js whose calls get the policies of a client. */
export class PolicyChannel implements GrpcChannel {
  readonly #init: PolicyChannelInit
  readonly #context: PolicyCallContext
  readonly #limitOf: (path: string) => number
  readonly #openCalls = new Set<PolicyCall>()
  #isClosed = false
  #calls = 0

  constructor(init: PolicyChannelInit) {
    this.#init = init
    const { grpc, client, service, channel, hashMetadata, instances, wait } = init
    const find = createMethodFinder(readServiceConfig(init.serviceConfig), init.timeoutMs)
    this.#limitOf = (path) => {
      const { timeout } = find(path)
      return typeof timeout === 'object' ? timeout.seconds * 1_000 + timeout.nanos / 1_000_000 : Number.POSITIVE_INFINITY
    }
    const openCalls = this.#openCalls
    const refusal = (): string | undefined => (this.#isClosed ? 'The channel was closed' : init.refusal())
    this.#context = { grpc, client, service, channel, hashMetadata, openCalls, refusal, instances, wait }
  }

  close(): void {
    this.#isClosed = true
    this.#init.channel.close()
    this.refuse('The channel was closed')
    this.#init.onClose(this)
  }

  /** Ends the calls that wait for an instance. */
  refuse(reason: string): void {
    for (const call of [...this.#openCalls]) call.refuse(reason)
  }

  getTarget(): string {
    return this.#init.channel.getTarget()
  }

  getConnectivityState(tryToConnect: boolean): number {
    return this.#isClosed ? shutdown : this.#init.channel.getConnectivityState(tryToConnect)
  }

  watchConnectivityState(current: number, deadline: Date | number, callback: (error?: Error) => void): void {
    this.#init.channel.watchConnectivityState(current, deadline, callback)
  }

  getChannelzRef(): object {
    return this.#init.channel.getChannelzRef()
  }

  createCall(
    path: string,
    deadline: Date | number,
    host: string | null | undefined,
    parent: ParentCall | null,
    propagateFlags: number | null | undefined,
  ): ChannelCall {
    if (this.#isClosed) throw new SdError('SD_CLOSED', 'Channel has been shut down')
    const limitAt = Date.now() + this.#limitOf(path)
    return new PolicyCall(this.#context, {
      path,
      kind: this.#init.kindOf(path),
      deadline: Math.min(Number(deadline), limitAt),
      host,
      parent,
      propagateFlags,
      callNumber: ++this.#calls,
    })
  }
}
