import {
  createBackoff,
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

/** Options of {@link createRegistryView}. */
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
export interface RegistryView {
  start(): void
  stop(): void
  /** Waits until every service has been read since the start, for at most `limitMs`. */
  ready(limitMs: number): Promise<void>
  facts(): RegistryFacts
}

/** Creates a view that reads nothing before it is started. It uses one watch for all services if the source has one. */
export function createRegistryView({ source, services, maxServices, onError }: RegistryViewOptions): RegistryView {
  const snapshots = new Map<string, ServiceSnapshot>()
  /** Services that are listed; the configured ones without a list. */
  let names: readonly string[] = services.slice(0, maxServices)
  let omitted = services.length - names.length
  let isKnown = false
  const staleness = new Map<string, Staleness>()
  let run: Run | undefined

  function show(step: string, { stale }: Watched<unknown>): void {
    if (stale) staleness.set(step, stale)
    else staleness.delete(step)
  }

  /**
   * Reads a watch until the signal aborts. One that fails is started again, later each time.
   *
   * @param noted called after each step and each failure
   */
  async function follow<T>(
    step: string,
    open: () => AsyncIterable<Watched<T>>,
    take: (value: T) => void,
    noted: () => unknown,
    signal: AbortSignal,
  ): Promise<void> {
    const backoff = createBackoff({ baseMs: 1_000, maxMs: 30_000 })
    while (!signal.aborted) {
      try {
        for await (const watched of open()) {
          if (signal.aborted) return
          show(step, watched)
          if (watched.value !== undefined) take(watched.value)
          backoff.reset()
          noted()
        }
        if (signal.aborted) return
        throw new SdError('SD_CLOSED', `The watch of ${source.name} ended`)
      } catch (error) {
        if (signal.aborted) return
        const failure = toSdError(error, 'SD_UNAVAILABLE', source.name)
        if (!staleness.has(step)) onError(failure)
        staleness.set(step, { since: staleness.get(step)?.since ?? Date.now(), error: failure })
        noted()
      }
      await sleep(backoff.next(), signal, true).catch(() => undefined)
    }
  }

  function setNames(listed: readonly string[]): void {
    const all = [...new Set([...services, ...listed])].sort()
    names = all.slice(0, maxServices)
    omitted = all.length - names.length
    isKnown = true
    const kept = new Set(names)
    for (const service of snapshots.keys()) if (!kept.has(service)) snapshots.delete(service)
  }

  async function followAll(current: Run): Promise<void> {
    const { signal } = current.controller
    await follow(
      '',
      () => source.watchAll({ signal }),
      (all) => {
        setNames([...all.keys()])
        snapshots.clear()
        for (const service of names) {
          const snapshot = all.get(service)
          if (snapshot) snapshots.set(service, snapshot)
        }
      },
      current.first.resolve,
      signal,
    )
  }

  function followOne(service: string, current: Run): void {
    const own = new AbortController()
    current.followed.set(service, own)
    const { signal } = own
    // It ends only when it is aborted, and never rejects.
    void follow(
      `service ${service}`,
      () => source.watch(service, { signal }),
      (snapshot) => void snapshots.set(service, snapshot),
      () => current.seen(service),
      signal,
    )
  }

  /** Starts to follow new services, and ends to follow those that are no longer listed. */
  function followNames(current: Run): void {
    const wanted = new Set(names)
    for (const [service, own] of current.followed) {
      if (wanted.has(service)) continue
      own.abort()
      current.followed.delete(service)
      staleness.delete(`service ${service}`)
      current.seen(service)
    }
    for (const service of wanted) if (!current.followed.has(service)) followOne(service, current)
    if (wanted.size === 0) current.first.resolve()
  }

  async function followEach(current: Run): Promise<void> {
    const { signal } = current.controller
    if (!source.capabilities.listServices) {
      isKnown = services.length > 0
      followNames(current)
      return
    }
    await follow(
      '',
      () => source.watchServices({ signal }),
      (listed) => {
        setNames(listed)
        followNames(current)
      },
      () => staleness.has('') && current.first.resolve(),
      signal,
    )
  }

  return {
    start() {
      if (run) return
      const started = createRun(() => names.length)
      run = started
      // It ends only when it is aborted; its failures are part of the facts.
      void (source.capabilities.watchAll ? followAll(started) : followEach(started))
    },
    stop() {
      run?.controller.abort()
      for (const own of run?.followed.values() ?? []) own.abort()
      run = undefined
    },
    async ready(limitMs) {
      if (run) await settlesWithin(run.first.promise, limitMs)
    },
    facts() {
      const [stale] = [...staleness.values()].sort((a, b) => a.since - b.since)
      return { services: snapshots, omitted, isKnown, stale }
    },
  }
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
