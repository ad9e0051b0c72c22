import type { NacosGrpcSession } from '@sd/connection-nacos'
import { withTimeout } from '@sd/core'
import type { NacosInstance, NacosInstanceKey } from './instance-codec.ts'
import { type CallNaming, readHosts } from './subscriptions.ts'
import { createVerifier, type Verifier, withNoticedWeight } from './verify.ts'

/** Instances that this process publishes by gRPC. */
export interface Publications {
  /** Publishes an instance, or replaces the one at its address. */
  put(service: string, instance: NacosInstance): Promise<void>
  /** Withdraws an instance. @returns whether this process published it */
  remove(service: string, place: NacosInstanceKey): Promise<boolean>
  /**
   * Whether the server has the instance: it has confirmed it in the current session, and lists it. The list is read from
   * time to time, because an operator may have removed the instance.
   */
  check(service: string, place: NacosInstanceKey, signal: AbortSignal): Promise<boolean>
}

/** Options of {@link createPublications}. */
export interface PublicationOptions {
  readonly call: CallNaming
  readonly session: (signal: AbortSignal) => Promise<NacosGrpcSession>
  /** Replaces the data of a published instance on rnacos, which ignores new metadata by gRPC. */
  readonly replace: (service: string, instance: NacosInstance, signal: AbortSignal) => Promise<void>
  /** Time between two reads of the list of a service, in milliseconds. */
  readonly checkIntervalMs: number
  readonly operationTimeoutMs: number
  readonly name: string
}

const keyOf = ({ ip, port, clusterName }: NacosInstanceKey): string => `${ip}#${port}#${clusterName}`

/** Creates an empty set. */
export function createPublications(options: PublicationOptions): Publications {
  const services = new Map<string, Publication>()
  const verifier = createVerifier()

  return {
    put(service, instance) {
      const publication = services.get(service) ?? new Publication(service, options, verifier)
      services.set(service, publication)
      return publication.put(instance)
    },
    async remove(service, place) {
      const publication = services.get(service)
      if (!publication?.holds(place)) return false
      await publication.remove(place)
      if (publication.isEmpty && services.get(service) === publication) services.delete(service)
      return true
    },
    check: async (service, place, signal) => (await services.get(service)?.check(place, signal)) === true,
  }
}

/**
 * The instances of one service. An official server has one entry for a connection and a service: an instance, or a batch
 * of them. Changes that arrive while one is sent are sent together.
 */
class Publication {
  readonly #service: string
  readonly #options: PublicationOptions
  readonly #verifier: Verifier
  readonly #wanted = new Map<string, NacosInstance>()
  #session: NacosGrpcSession | undefined
  /** What the server may have of this session. */
  #tried = new Map<string, NacosInstance>()
  /** What the server has confirmed in this session. */
  #confirmed = new Map<string, NacosInstance>()
  #checkedAt = performance.now()
  #running: Promise<void> = Promise.resolve()
  #queued: Promise<void> | undefined

  constructor(service: string, options: PublicationOptions, verifier: Verifier) {
    this.#service = service
    this.#options = options
    this.#verifier = verifier
  }

  get isEmpty(): boolean {
    return this.#wanted.size === 0
  }

  holds(place: NacosInstanceKey): boolean {
    return this.#wanted.has(keyOf(place))
  }

  async check(place: NacosInstanceKey, signal: AbortSignal): Promise<boolean> {
    const key = keyOf(place)
    const session = this.#session
    if (session?.signal.aborted !== false || !this.#isConfirmed(key)) return false
    if (performance.now() - this.#checkedAt > this.#options.checkIntervalMs) {
      this.#checkedAt = performance.now()
      const known = [...this.#confirmed.keys()]
      const listed = await this.#list(session, signal)
      for (const one of known) {
        if (listed.has(one)) continue
        this.#confirmed.delete(one)
        this.#tried.delete(one)
      }
    }
    return this.#isConfirmed(key)
  }

  put(instance: NacosInstance): Promise<void> {
    this.#wanted.set(keyOf(instance), instance)
    return this.#flush()
  }

  remove(place: NacosInstanceKey): Promise<void> {
    this.#wanted.delete(keyOf(place))
    return this.#flush()
  }

  #isConfirmed(key: string): boolean {
    const wanted = this.#wanted.get(key)
    return wanted !== undefined && this.#confirmed.get(key) === wanted
  }

  /** Sends what has changed, after the changes that are being sent. */
  #flush(): Promise<void> {
    this.#queued ??= this.#running.then(() => {
      this.#queued = undefined
      const { name, operationTimeoutMs: timeoutMs } = this.#options
      const sending = withTimeout({ timeoutMs, what: `${name} publishing ${this.#service}` }, (signal) => this.#send(signal))
      this.#running = sending.catch(() => undefined)
      return sending
    })
    return this.#queued
  }

  async #send(signal: AbortSignal): Promise<void> {
    const session = await this.#options.session(signal)
    if (session !== this.#session) {
      this.#session = session
      this.#tried = new Map()
      this.#confirmed = new Map()
    }
    // rnacos adds a batch to what it has, and keeps several instances of a connection without one.
    await (session.isRnacos ? this.#sendEach(session, signal) : this.#sendAll(session, signal))
  }

  async #sendAll(session: NacosGrpcSession, signal: AbortSignal): Promise<void> {
    const wanted = new Map(this.#wanted)
    if (wanted.size === this.#confirmed.size && [...wanted.keys()].every((key) => this.#isConfirmed(key))) return
    const serviceName = this.#service
    const instances = [...(wanted.size > 0 ? wanted : this.#tried).values()]
    const [instance] = instances
    if (!instance) return
    for (const one of instances) this.#tried.set(keyOf(one), one)
    if (wanted.size > 1) {
      const body = { serviceName, type: 'batchRegisterInstance', instances }
      await this.#options.call('BatchInstanceRequest', body, signal, session)
    } else {
      const type = wanted.size === 0 ? 'deregisterInstance' : 'registerInstance'
      await this.#sendOne(type, instance, session, signal)
    }
    this.#confirmed = wanted
    this.#tried = new Map(wanted)
  }

  async #sendEach(session: NacosGrpcSession, signal: AbortSignal): Promise<void> {
    for (const [key, instance] of this.#tried) {
      if (this.#wanted.has(key)) continue
      await this.#sendOne('deregisterInstance', instance, session, signal)
      this.#tried.delete(key)
      this.#confirmed.delete(key)
    }
    const changed = [...this.#wanted].filter(([key]) => !this.#isConfirmed(key))
    const added = changed.filter(([key]) => !this.#tried.has(key))
    for (const [key, instance] of changed) this.#tried.set(key, instance)
    await Promise.all([
      this.#add(added, session, signal),
      this.#replace(
        changed.filter((one) => !added.includes(one)),
        signal,
      ),
    ])
  }

  async #replace(changed: readonly (readonly [string, NacosInstance])[], signal: AbortSignal): Promise<void> {
    await Promise.all(
      changed.map(async ([key, instance]) => {
        await this.#options.replace(this.#service, withNoticedWeight(instance), signal)
        this.#confirmed.set(key, instance)
      }),
    )
  }

  async #add(
    added: readonly (readonly [string, NacosInstance])[],
    session: NacosGrpcSession,
    signal: AbortSignal,
  ): Promise<void> {
    if (added.length === 0) return
    await Promise.all(added.map(([, instance]) => this.#sendOne('registerInstance', instance, session, signal)))
    const listed = await this.#list(session, signal)
    await Promise.all(
      added.map(async ([key, instance]) => {
        // It may have kept what an earlier connection registered at this address.
        const again = await this.#verifier.check(instance, async () => listed.get(key) ?? {})
        if (again) await this.#options.replace(this.#service, withNoticedWeight(again), signal)
        this.#confirmed.set(key, instance)
      }),
    )
  }

  async #sendOne(type: string, instance: NacosInstance, session: NacosGrpcSession, signal: AbortSignal): Promise<void> {
    await this.#options.call('InstanceRequest', { serviceName: this.#service, type, instance }, signal, session)
  }

  /** Returns what the server lists, by key. */
  async #list(session: NacosGrpcSession, signal: AbortSignal): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
    const body = { serviceName: this.#service, cluster: '', healthyOnly: false, udpPort: 0 }
    const { serviceInfo } = await this.#options.call('ServiceQueryRequest', body, signal, session)
    const { hosts } = readHosts(this.#service, serviceInfo)
    return new Map(hosts.map((host) => [keyOf(host as NacosInstanceKey), host as Readonly<Record<string, unknown>>]))
  }
}
