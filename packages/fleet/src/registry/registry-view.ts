import {
  type AllServices,
  createBackoff,
  delayBeforeRetry,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  type Staleness,
  settlesWithin,
  sleep,
  toSdError,
  type Watched,
} from '@sd/core'
import type { FleetSource } from '../options.ts'

/** Options of {@link RegistryView}. */
export interface RegistryViewOptions {
  readonly source: FleetSource
  /** Services to read if the source can't list them, and further ones if it can. */
  readonly services: readonly string[]
  readonly maxServices: number
  readonly onError: (error: SdError) => void
}

/** What is known of a registry. */
export interface RegistryFacts {
  /** Snapshots by service, sorted by name. */
  readonly services: ReadonlyMap<string, ServiceSnapshot>
  /** Number of services beyond the limit. */
  readonly omitted: number
  /** Whether the names of the services have been read at least once. */
  readonly isKnown: boolean
  readonly stale: Staleness | undefined
}

/** Follows a registry while it is started. What it has read is kept when it is stopped. */
export class RegistryView {
  readonly #options: RegistryViewOptions
  readonly #snapshots = new Map<string, ServiceSnapshot>()
  /** Why a watch is out of date: that of the names or of all services under `''`, and those of single services. */
  readonly #staleness = new Map<string, Staleness>()
  /** Services that are listed; the configured ones without a list. */
  #names: readonly string[]
  #omitted: number
  #isKnown = false
  #run: Run | undefined

  /** Reads nothing before `start()`. */
  constructor(options: RegistryViewOptions) {
    const { services, maxServices } = options
    this.#options = options
    this.#names = services.slice(0, maxServices)
    this.#omitted = services.length - this.#names.length
  }

  /** Begins to follow the registry, by one watch for all services if it has one. */
  start(): void {
    if (this.#run) return
    const run = createRun(() => this.#names.length)
    this.#run = run
    const { watchAll, listServices } = this.#options.source.capabilities
    // They end only when they are aborted; their failures are part of the facts.
    if (watchAll) void this.#followAll(run)
    else if (listServices) void this.#followNames(run)
    else {
      this.#isKnown = this.#names.length > 0
      this.#followListed(run)
    }
  }

  /** Ends all watches. */
  stop(): void {
    this.#run?.controller.abort()
    for (const own of this.#run?.followed.values() ?? []) own.abort()
    this.#run = undefined
  }

  /** Waits until every service has been read since the start, for at most `limitMs`. */
  async ready(limitMs: number): Promise<void> {
    if (this.#run) await settlesWithin(this.#run.first.promise, limitMs)
  }

  /** What is known now. */
  facts(): RegistryFacts {
    const [stale] = [...this.#staleness.values()].sort((a, b) => a.since - b.since)
    return { services: this.#snapshots, omitted: this.#omitted, isKnown: this.#isKnown, stale }
  }

  #followAll({ controller: { signal }, first }: Run): Promise<void> {
    return this.#follow<AllServices>({
      step: '',
      open: () => this.#options.source.watchAll({ signal }),
      take: (all) => {
        this.#setNames([...all.keys()])
        this.#snapshots.clear()
        for (const service of this.#names) {
          const snapshot = all.get(service)
          if (snapshot) this.#snapshots.set(service, snapshot)
        }
      },
      noted: first.resolve,
      signal,
    })
  }

  #followNames(run: Run): Promise<void> {
    const { signal } = run.controller
    return this.#follow<readonly string[]>({
      step: '',
      open: () => this.#options.source.watchServices({ signal }),
      take: (listed) => {
        this.#setNames(listed)
        this.#followListed(run)
      },
      noted: () => {
        if (this.#staleness.has('')) run.first.resolve()
      },
      signal,
    })
  }

  /** Starts to follow new services, and ends to follow those that are no longer listed. */
  #followListed(run: Run): void {
    const wanted = new Set(this.#names)
    for (const [service, own] of run.followed) {
      if (wanted.has(service)) continue
      own.abort()
      run.followed.delete(service)
      this.#staleness.delete(service)
      run.seen(service)
    }
    for (const service of wanted) if (!run.followed.has(service)) this.#followOne(service, run)
    if (wanted.size === 0) run.first.resolve()
  }

  #followOne(service: string, run: Run): void {
    const own = new AbortController()
    run.followed.set(service, own)
    // It ends only when it is aborted, and never rejects.
    void this.#follow<ServiceSnapshot>({
      step: service,
      open: () => this.#options.source.watch(service, { signal: own.signal }),
      take: (snapshot) => void this.#snapshots.set(service, snapshot),
      noted: () => run.seen(service),
      signal: own.signal,
    })
  }

  #setNames(listed: readonly string[]): void {
    const { services, maxServices } = this.#options
    const all = [...new Set([...services, ...listed])].sort()
    this.#names = all.slice(0, maxServices)
    this.#omitted = all.length - this.#names.length
    this.#isKnown = true
    const kept = new Set(this.#names)
    for (const service of this.#snapshots.keys()) if (!kept.has(service)) this.#snapshots.delete(service)
  }

  /** Reads a watch until the signal aborts. One that fails is started again, later each time. */
  async #follow<T>({ step, open, take, noted, signal }: Followed<T>): Promise<void> {
    const { source, onError } = this.#options
    const backoff = createBackoff({ baseMs: 1_000, maxMs: 30_000 })
    while (!signal.aborted) {
      let failure: SdError | undefined
      try {
        for await (const { value, stale } of open()) {
          if (signal.aborted) return
          if (stale) this.#staleness.set(step, stale)
          else this.#staleness.delete(step)
          if (value !== undefined) take(value)
          backoff.reset()
          noted()
        }
        if (signal.aborted) return
        throw new SdError('SD_CLOSED', `The watch of ${source.name} ended`)
      } catch (error) {
        if (signal.aborted) return
        failure = toSdError(error, 'SD_UNAVAILABLE', source.name)
        if (!this.#staleness.has(step)) onError(failure)
        this.#staleness.set(step, { since: this.#staleness.get(step)?.since ?? Date.now(), error: failure })
        noted()
      }
      await sleep(delayBeforeRetry(backoff, failure), signal, true).catch(() => undefined)
    }
  }
}

/** A watch to follow. */
interface Followed<T> {
  /** Key of its staleness. */
  readonly step: string
  readonly open: () => AsyncIterable<Watched<T>>
  readonly take: (value: T) => void
  /** Called after each step and each failure. */
  readonly noted: () => void
  readonly signal: AbortSignal
}

/** One time between start and stop. */
interface Run {
  readonly controller: AbortController
  /** Resolves when every service has been read. */
  readonly first: PromiseWithResolvers<void>
  readonly followed: Map<string, AbortController>
  /** Notes that a service has been read. */
  seen(service: string): void
}

function createRun(countServices: () => number): Run {
  const first = Promise.withResolvers<void>()
  const read = new Set<string>()
  return {
    controller: new AbortController(),
    first,
    followed: new Map(),
    seen(service) {
      read.add(service)
      if (read.size >= countServices()) first.resolve()
    },
  }
}

/** All instances of all services. */
export function* instancesOf({ services }: RegistryFacts): Iterable<ServiceInstance> {
  for (const { instances } of services.values()) yield* instances
}
