import { type NacosGrpc, type NacosGrpcSession, untilSessionEnds } from '@sd/connection-nacos'
import { SdError, sleep } from '@sd/core'
import type { ServiceReports } from './nacos-api.ts'

type Body = Readonly<Record<string, unknown>>

/** Sends a naming request. */
export type CallNaming = (type: string, body: Body, signal: AbortSignal, session?: NacosGrpcSession) => Promise<Body>

/** Subscriptions by gRPC. Each ends when its session does. */
export interface Subscriptions {
  /** See `NacosApi.follow`. */
  follow(service: string, onHosts: (hosts: readonly unknown[]) => void, signal: AbortSignal): Promise<void>
  /** See `NacosApi.followServices`. */
  followServices(onChange: () => void, signal: AbortSignal): Promise<ServiceReports | undefined>
}

/** Options of {@link createSubscriptions}. */
export interface SubscriptionOptions {
  readonly grpc: NacosGrpc
  readonly call: CallNaming
  readonly namespace: string
  readonly group: string
  /** Clusters to read, separated by commas; empty for all. */
  readonly clusters: string
  readonly operationTimeoutMs: number
}

/** Ability of servers that report new and removed services. */
const fuzzyWatchAbility = 'fuzzyWatch'

/**
 * Time between two subscriptions to the same service, in milliseconds, with 10 % jitter. Pushes report changes at once;
 * this is for one that was lost.
 */
const resubscribeMs = 180_000

/** Creates the subscriptions of one connection. */
export function createSubscriptions(options: SubscriptionOptions): Subscriptions {
  const { grpc, call, namespace, group, clusters, operationTimeoutMs } = options
  const followers = new Map<string, number>()
  /** Subscriptions that are being ended. A server may process a later request before an earlier one. */
  const ending = new Map<string, Promise<unknown>>()
  const whileClosing = (): AbortSignal => AbortSignal.timeout(operationTimeoutMs)

  async function subscribe(service: string, isOn: boolean, session: NacosGrpcSession, signal: AbortSignal): Promise<unknown> {
    const body = { serviceName: service, subscribe: isOn, clusters }
    return (await call('SubscribeServiceRequest', body, signal, session))['serviceInfo']
  }

  async function leave(service: string, session: NacosGrpcSession): Promise<void> {
    const left = (followers.get(service) ?? 1) - 1
    if (left > 0) {
      followers.set(service, left)
      return
    }
    followers.delete(service)
    if (session.signal.aborted) return
    const end = subscribe(service, false, session, whileClosing()).catch(() => undefined)
    ending.set(service, end)
    await end
    if (ending.get(service) === end) ending.delete(service)
  }

  return {
    async follow(service, onHosts, signal) {
      const session = await grpc.session(signal)
      followers.set(service, (followers.get(service) ?? 0) + 1)
      let latest = 0
      const take = (info: unknown): void => {
        const { hosts, at } = readHosts(service, info)
        // A push may arrive before an older response.
        if (at < latest) return
        latest = at
        onHosts(hosts)
      }
      const failed = Promise.withResolvers<never>()
      failed.promise.catch(() => undefined)
      const stop = grpc.onPush('NotifySubscriberRequest', ({ serviceInfo }, from) => {
        // rnacos also names the service beside the list.
        const { name, groupName } = (serviceInfo ?? {}) as Body
        if (from !== session || name !== service || groupName !== group) return
        try {
          take(serviceInfo)
        } catch (error) {
          failed.reject(error)
        }
      })
      const refresh = async (): Promise<void> => {
        await ending.get(service)
        take(await subscribe(service, true, session, signal))
      }
      try {
        await Promise.race([failed.promise, keepSubscribed(session, signal, refresh)])
      } finally {
        stop()
        await leave(service, session)
      }
    },
    async followServices(onChange, signal) {
      const session = await grpc.session(signal)
      if (!session.abilities.has(fuzzyWatchAbility)) return undefined
      const watch = async (watchType: string, inner: AbortSignal): Promise<void> => {
        // Java reads a field `isInitializing` as `initializing`.
        const body = { groupKeyPattern: `${namespace}>>${group}>>*`, watchType, initializing: true, receivedGroupKeys: [] }
        await call('NamingFuzzyWatchRequest', body, inner, session)
      }
      const stops = ['NamingFuzzyWatchSyncRequest', 'NamingFuzzyWatchChangeNotifyRequest'].map((type) =>
        grpc.onPush(type, (_, from) => {
          if (from === session) onChange()
        }),
      )
      const ended = keepSubscribed(session, signal, () => watch('WATCH', signal)).finally(async () => {
        for (const stop of stops) stop()
        if (!session.signal.aborted) await watch('CANCEL_WATCH', whileClosing()).catch(() => undefined)
      })
      ended.catch(() => undefined)
      return { ended }
    },
  }
}

/** Runs `refresh` now and again from time to time. @throws SdError when the session ends */
async function keepSubscribed(session: NacosGrpcSession, signal: AbortSignal, refresh: () => Promise<void>): Promise<void> {
  const ended = untilSessionEnds(session, signal)
  ended.catch(() => undefined)
  while (!signal.aborted) {
    await Promise.race([ended, refresh()])
    const pauseMs = resubscribeMs * (0.9 + Math.random() * 0.1)
    await Promise.race([ended, sleep(pauseMs, signal, true).catch(() => undefined)])
  }
}

/** Reads a list, and when the server made it, in Unix milliseconds. @throws SdError `SD_MALFORMED` */
export function readHosts(service: string, info: unknown): { readonly hosts: readonly unknown[]; readonly at: number } {
  const { hosts, lastRefTime } = (info ?? {}) as { readonly hosts?: unknown; readonly lastRefTime?: unknown }
  if (hosts !== undefined && hosts !== null && !Array.isArray(hosts)) {
    throw new SdError('SD_MALFORMED', `the list of ${service} without hosts`, { retryable: true })
  }
  return { hosts: hosts ?? [], at: Number(lastRefTime) || 0 }
}
