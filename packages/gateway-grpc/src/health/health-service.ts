import type { ClusterSource } from '@sd/core'
import type { GatewayReply, ReplyStream } from '@sd/gateway'
import { contentTypeOf, type GrpcKind } from '../grpc-kind.ts'
import { statusReply } from '../grpc-status-fields.ts'
import { encodeHealth, type HealthStatus, healthStatuses, readHealthRequest } from './health-messages.ts'

const ok = ['grpc-status', '0']

/** Where the health service is asked. */
export interface HealthScope {
  readonly kind: GrpcKind
  /** Names of gRPC services, with the services of discovery. */
  readonly services: Readonly<Record<string, string>>
}

/** `grpc.health.v1.Health`, from what discovery knows (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). */
export class HealthService {
  readonly #source: ClusterSource | undefined
  readonly #maxWatches: number
  #watches = 0

  constructor(source: ClusterSource | undefined, maxWatches: number) {
    this.#source = source
    this.#maxWatches = maxWatches
  }

  /** The response to a call. @param body the framed request; `undefined` if it was too long */
  reply(method: string, body: Uint8Array | undefined, scope: HealthScope): GatewayReply {
    const { kind, services } = scope
    if (method !== 'Check' && method !== 'Watch') return statusReply(kind, 12, `The health service has no method ${method}.`)
    const name = body && readHealthRequest(body)
    if (name === undefined) return statusReply(kind, 3, 'The request is not a health check.')
    const isKnown = name === '' || Object.hasOwn(services, name)
    const wanted = name === '' ? Object.values(services) : isKnown ? [services[name] as string] : undefined
    const headers = { 'content-type': contentTypeOf(kind) }
    if (method === 'Watch') {
      if (this.#watches >= this.#maxWatches) return statusReply(kind, 8, 'The gateway has no room for another watch.')
      return { status: 200, headers, body: this.#watch(wanted) }
    }
    if (!wanted) return statusReply(kind, 5, 'The service is not known.')
    return { status: 200, headers, body: encodeHealth(this.#statusOf(wanted)), trailers: ok }
  }

  #statusOf(services: readonly string[] | undefined): HealthStatus {
    if (!services) return healthStatuses.serviceUnknown
    const isServing = services.every((service) => (this.#source?.cluster(service).view.endpoints.length ?? 0) > 0)
    return isServing ? healthStatuses.serving : healthStatuses.notServing
  }

  /** Sends the status now, and when it changes. */
  #watch(services: readonly string[] | undefined): ReplyStream {
    return ({ write, end }) => {
      this.#watches++
      let sent: HealthStatus | undefined
      let isBlocked = false
      let isOver = false
      let stops: (() => void)[] = []

      const send = (): void => {
        if (isOver) return
        const status = this.#statusOf(services)
        if (isBlocked || status === sent) return
        sent = status
        isBlocked = !write(encodeHealth(status))
      }
      // A cluster that was closed has a successor.
      const follow = (): void => {
        for (const stop of stops) stop()
        stops = (services ?? []).flatMap((service) => {
          const cluster = this.#source?.cluster(service)
          return cluster?.onChange(() => (cluster.isClosed ? setImmediate(restart) : send())) ?? []
        })
      }
      const restart = (): void => {
        if (isOver) return
        follow()
        send()
      }

      setImmediate(restart)
      return {
        resume() {
          isBlocked = false
          send()
        },
        beginDrain: () => end(['grpc-status', '14', 'grpc-message', 'The gateway drains.']),
        destroy: () => {
          if (isOver) return
          isOver = true
          this.#watches--
          for (const stop of stops) stop()
        },
      }
    }
  }
}
