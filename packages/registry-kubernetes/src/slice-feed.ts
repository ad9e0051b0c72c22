import {
  type Collection,
  followCollection,
  type KubernetesConnection,
  type Listing,
  listCollection,
} from '@sd/connection-kubernetes'
import { createBackoff, SdError, sleep, toSdError, withTimeout } from '@sd/core'
import type { Lease, LeaseClock } from './lease-clock.ts'
import { SliceIndex } from './slice-index.ts'
import { isAlive, leaseNameOf, type Slice } from './slices.ts'

/** Dependencies of {@link createSliceFeed}. */
export interface SliceFeedOptions {
  readonly connection: KubernetesConnection
  /** The EndpointSlices of the namespace. */
  readonly slices: Collection
  /** The leases of the registrations in it. */
  readonly leases: Collection
  readonly clock: LeaseClock
  /** Time limit of one request, in milliseconds. */
  readonly operationTimeoutMs: number
}

/** A follower of {@link SliceFeed}. */
export interface FeedFollower {
  /** Values of the label `kubernetes.io/service-name` to follow; absent for all. */
  readonly labels?: ReadonlySet<string>
  /** Called with the slices that are alive, at first and after each change. */
  readonly onChange: (slices: readonly Slice[]) => void
  /** Ends following when it aborts. */
  readonly signal: AbortSignal
}

/** One watch on the EndpointSlices of a namespace, shared by all watches of services in it. */
export interface SliceFeed {
  /**
   * Follows until the signal aborts. The first follower opens the watch, the last one closes it. @throws SdError when
   * the watch fails
   */
  follow(follower: FeedFollower): Promise<void>
}

/** Creates a feed. It opens no watch until it has a follower. */
export function createSliceFeed(options: SliceFeedOptions): SliceFeed {
  const backoff = createBackoff({ maxMs: 4_000 })
  let current: FeedRun | undefined
  let delayMs = 0

  return {
    follow(follower) {
      current ??= new FeedRun(options, delayMs, (run, wasShort) => {
        if (current === run) current = undefined
        if (!wasShort) backoff.reset()
        delayMs = wasShort ? backoff.next() : 0
      })
      return current.join(follower)
    },
  }
}

/** A server that closes watches sooner than this is not asked again at once. */
const shortMs = 5_000

const none: ReadonlySet<string> = new Set()

interface Member extends FeedFollower {
  readonly fail: (error: SdError) => void
}

/** One run of the feed, from the first follower to the last, or until its watch fails. */
class FeedRun {
  readonly #options: SliceFeedOptions
  readonly #onEnd: (run: FeedRun, wasShort: boolean) => void
  readonly #controller = new AbortController()
  readonly #members = new Set<Member>()
  readonly #notified = new WeakSet<Member>()
  readonly #index = new SliceIndex()
  /** Leases that are alive, as last reported to followers; absent before they were listed. */
  #alive: ReadonlySet<string> | undefined
  #leasesDenied: SdError | undefined
  /** When the slices were listed, by `performance.now()`. */
  #listedAt: number | undefined
  #followsLeases = false
  #isTelling = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: SliceFeedOptions, delayMs: number, onEnd: (run: FeedRun, wasShort: boolean) => void) {
    this.#options = options
    this.#onEnd = onEnd
    this.#keep(this.#followSlices(delayMs))
  }

  join(follower: FeedFollower): Promise<void> {
    const { signal } = follower
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#members.delete(member)
        if (this.#members.size === 0) this.#end()
        resolve()
      }
      const member: Member = {
        ...follower,
        fail: (error) => {
          this.#members.delete(member)
          signal.removeEventListener('abort', leave)
          if (this.#members.size === 0) this.#end()
          reject(error)
        },
      }
      this.#members.add(member)
      signal.addEventListener('abort', leave, { once: true })
      if (this.#leasesDenied) this.#retryLeases()
      if (signal.aborted) leave()
      else if (this.#isReady) this.#notify(member)
    })
  }

  async #followSlices(delayMs: number): Promise<void> {
    const { connection, slices, operationTimeoutMs } = this.#options
    const { signal } = this.#controller
    await sleep(delayMs, signal, true)
    await followCollection<Slice>(connection, {
      ...slices,
      signal,
      operationTimeoutMs,
      onList: ({ items }) => this.#replace(items),
      onChange: (slice, isThere) => this.#change(slice, isThere),
    })
  }

  /** A failed collection ends the run: followers list again with a new one. */
  #keep(following: Promise<void>): void {
    following.catch((caught: unknown) => this.#fail(toSdError(caught, 'SD_UNAVAILABLE', 'the watch of EndpointSlices')))
  }

  #fail(error: SdError): void {
    if (this.#controller.signal.aborted) return
    this.#options.clock.interrupt()
    const members = [...this.#members]
    this.#end(this.#listedAt !== undefined && performance.now() - this.#listedAt < shortMs)
    for (const member of members) member.fail(error)
  }

  #end(wasShort: boolean = false): void {
    if (this.#controller.signal.aborted) return
    this.#onEnd(this, wasShort)
    this.#controller.abort()
    clearTimeout(this.#timer)
  }

  #replace(items: readonly Slice[]): void {
    this.#index.replace(items)
    if (this.#index.hasLeases) this.#followLeases()
    this.#listedAt ??= performance.now()
    this.#notifySoon()
  }

  #change(slice: Slice, isThere: boolean): void {
    this.#index.change(slice, isThere)
    if (this.#index.hasLeases) this.#followLeases()
    this.#notifySoon()
  }

  /** Permissions may have been granted in the meantime. */
  #retryLeases(): void {
    this.#leasesDenied = undefined
    this.#alive = undefined
    this.#followsLeases = false
    this.#followLeases()
  }

  /** A caller that never meets a registration of this library needs no permission to read leases. */
  #followLeases(): void {
    if (this.#followsLeases) return
    this.#followsLeases = true
    const { connection, leases, clock, operationTimeoutMs } = this.#options
    const following = followCollection<Lease>(connection, {
      ...leases,
      operationTimeoutMs,
      signal: this.#controller.signal,
      onList: (listing) => this.#listLeases(listing),
      onChange: (lease, isThere) => {
        clock.change(lease, isThere)
        if (isThere !== this.#alive?.has(lease.metadata.name)) this.#compareLeases()
      },
    })
    this.#keepLeases(following)
  }

  /** Without the permission for leases, only services with registrations of this library fail. */
  #keepLeases(following: Promise<void>): void {
    const kept = following.catch((caught: unknown) => {
      if (!(caught instanceof SdError) || caught.code !== 'SD_DENIED') throw caught
      this.#leasesDenied = caught
      this.#index.markLeased(() => true)
      this.#notifySoon()
    })
    this.#keep(kept)
  }

  #listLeases(listing: Listing<Lease>): void {
    this.#options.clock.list(listing)
    this.#compareLeases()
  }

  /** Notifies followers of services whose instances appeared or disappeared with their lease. */
  #compareLeases(): void {
    const { clock } = this.#options
    const before = this.#alive
    const now = clock.alive()
    this.#alive = now
    this.#index.markLeased((name) => before === undefined || before.has(name) !== now.has(name))
    this.#notifySoon()
    clearTimeout(this.#timer)
    const nextEnd = clock.nextEnd()
    if (nextEnd === undefined) return
    this.#timer = setTimeout(() => this.#keepLeases(this.#verifyLeases()), Math.max(50, nextEnd - performance.now() + 50))
    this.#timer.unref()
  }

  /**
   * A lease may have expired because its holder ended, or because no updates arrive from the server. Ask before
   * dropping any instance.
   */
  async #verifyLeases(): Promise<void> {
    const { connection, leases, clock, operationTimeoutMs: timeoutMs } = this.#options
    const now = clock.alive()
    if ([...(this.#alive ?? [])].every((name) => now.has(name))) return this.#compareLeases()
    const { signal } = this.#controller
    const what = 'verifying leases'
    this.#listLeases(await withTimeout({ timeoutMs, what, signal }, (limit) => listCollection<Lease>(connection, leases, limit)))
  }

  /** Notifies once for all events of a packet. */
  #notifySoon(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    queueMicrotask(() => {
      this.#isTelling = false
      if (!this.#isReady) return
      const changed = this.#index.takeChanged()
      for (const member of [...this.#members]) {
        if (!this.#notified.has(member) || !member.labels || [...member.labels].some((label) => changed.has(label)))
          this.#notify(member)
      }
    })
  }

  get #isReady(): boolean {
    return this.#listedAt !== undefined && (!this.#followsLeases || this.#alive !== undefined || this.#leasesDenied !== undefined)
  }

  #notify(member: Member): void {
    this.#notified.add(member)
    const slices = this.#index.slicesOf(member.labels)
    if (this.#leasesDenied && slices.some((slice) => leaseNameOf(slice) !== undefined)) {
      member.fail(this.#leasesDenied)
      return
    }
    try {
      member.onChange(slices.filter((slice) => isAlive(slice, this.#alive ?? none)))
    } catch (caught) {
      member.fail(toSdError(caught, 'SD_MALFORMED', 'reading EndpointSlices'))
    }
  }
}
