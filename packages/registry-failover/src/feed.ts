import { createBackoff, delayBeforeRetry, SdError, sleep, toSdError, type Watched, type WatchSession } from '@sd/core'
import type { Member } from './member.ts'
import { type Combined, combine, type Merger, type Part } from './merge.ts'

/** Options of {@link createFeed}. */
export interface FeedOptions<T> {
  /** Merges the values of members. */
  readonly merger: Merger<T>
  /** Opens the watch of one member. */
  readonly watch: (member: Member, signal: AbortSignal) => AsyncIterable<Watched<T>>
  /** Returns the members that are read now, the best first. */
  readonly wanted: () => readonly Member[]
  /** Returns how long to wait for a new member, in milliseconds. */
  readonly limitMs: () => number
  /** Called when the feed has ended. */
  readonly onEnd: () => void
}

/** One watch over several members. It outlives a session of the hub, to keep the last values of the members. */
export interface Feed<T> {
  /**
   * Runs one session of the hub: offers values until its signal aborts, which ends the feed. Throws when no member is
   * fresh.
   */
  run(session: WatchSession<T>): Promise<void>
  /** Follows the members that are read now. Leaves the others once the new members have a value, or at the limit. */
  reconcile(): void
  /** Resolves once only the wanted members are followed. */
  moved(): Promise<void>
  /** Stops following all members. */
  end(): void
}

/** How long a feed waits for the next session, in milliseconds: longer than the hub's pause between two. */
const lingerMs = 10_000

interface Follower<T> {
  readonly controller: AbortController
  value?: T
  error?: SdError | undefined
}

/** Creates a feed. It follows several members at once and keeps the last value of each. */
export function createFeed<T>(options: FeedOptions<T>): Feed<T> {
  const feed = new MemberFeed(options)
  feed.reconcile()
  return feed
}

class MemberFeed<T> implements Feed<T> {
  readonly #options: FeedOptions<T>
  readonly #followers = new Map<Member, Follower<T>>()
  #moving: PromiseWithResolvers<void> | undefined
  #overdue = false
  #deadline: ReturnType<typeof setTimeout> | undefined
  #onStep: () => void = () => {}
  /** Whether consumers were notified that no member is fresh. */
  #isOutageReported = false
  #ended = false
  #linger: ReturnType<typeof setTimeout> | undefined

  constructor(options: FeedOptions<T>) {
    this.#options = options
  }

  moved(): Promise<void> {
    return this.#moving?.promise ?? Promise.resolve()
  }

  #follow(member: Member): void {
    const follower: Follower<T> = { controller: new AbortController() }
    this.#followers.set(member, follower)
    void this.#read(member, follower)
  }

  async #read(member: Member, follower: Follower<T>): Promise<void> {
    const { signal: left } = follower.controller
    const backoff = createBackoff({ maxMs: 5_000 })
    while (!left.aborted) {
      let failure: unknown
      try {
        for await (const { value, stale } of this.#options.watch(member, left)) {
          if (left.aborted) return
          if (value !== undefined) follower.value = value
          if (!stale) backoff.reset()
          this.#take(member, follower, stale?.error)
        }
        throw new SdError('SD_UNAVAILABLE', `${member.settings.name} ended its watch`)
      } catch (caught) {
        if (left.aborted) return
        this.#take(member, follower, toWaitable(caught, member))
        failure = caught
      }
      await sleep(delayBeforeRetry(backoff, failure), left, true).catch(() => undefined)
    }
  }

  #take(member: Member, follower: Follower<T>, error: SdError | undefined): void {
    follower.error = error
    // A watch often detects an outage, or its end, before the next ping.
    if ((error !== undefined) === (member.health.state === 'healthy')) void member.probe()
    this.#step()
  }

  #step(): void {
    const members = this.#options.wanted()
    const arrived = members.length > 0 && members.every((member) => this.#followers.get(member)?.value !== undefined)
    if (arrived || this.#overdue) {
      for (const [member, { controller }] of this.#followers) {
        if (members.includes(member)) continue
        this.#followers.delete(member)
        controller.abort()
      }
      this.#moving?.resolve()
      this.#moving = undefined
    }
    this.#onStep()
  }

  #current(previous: T | undefined): Combined<T> | undefined {
    const members = this.#options.wanted()
    const ahead = members.map((member) => ({ member, follower: this.#followers.get(member) }))
    const isWaiting = !this.#overdue && ahead.some(({ follower }) => !hasResult(follower))
    if (isWaiting && previous === undefined) return undefined
    const left = [...this.#followers]
      .filter(([member]) => !members.includes(member))
      .map(([member, follower]) => ({ member, follower }))
    const parts = [...ahead, ...left].flatMap(({ member, follower }): readonly Part<T>[] => {
      if (hasResult(follower)) return [follower]
      return this.#overdue
        ? [{ error: new SdError('SD_TIMEOUT', `${member.settings.name} has not responded to a watch yet`) }]
        : []
    })
    return combine(parts, this.#options.merger, previous)
  }

  reconcile(): void {
    if (this.#ended) return
    const members = this.#options.wanted()
    for (const member of members) if (!this.#followers.has(member)) this.#follow(member)
    this.#moving ??= Promise.withResolvers()
    this.#overdue = false
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => {
      this.#overdue = members.length > 0
      this.#step()
    }, this.#options.limitMs())
    this.#deadline.unref?.()
    this.#step()
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#deadline)
    clearTimeout(this.#linger)
    for (const { controller } of this.#followers.values()) controller.abort()
    this.#moving?.resolve()
    this.#options.onEnd()
  }

  run({ offer, previous, signal }: WatchSession<T>): Promise<void> {
    clearTimeout(this.#linger)
    // Consumers without a value have not been notified yet.
    if (previous() === undefined) this.#isOutageReported = false
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.end()
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#onStep = () => {
        const found = this.#current(previous())
        if (!found) return
        if ('value' in found) {
          this.#isOutageReported = false
          offer(found.value)
        } else if (!this.#isOutageReported) {
          this.#isOutageReported = true
          this.#onStep = () => {}
          signal.removeEventListener('abort', onAbort)
          this.#linger = setTimeout(() => this.end(), lingerMs)
          this.#linger.unref?.()
          reject(found.error)
        }
      }
      this.#onStep()
    })
  }
}

function hasResult<T>(follower: Follower<T> | undefined): follower is Follower<T> {
  return follower !== undefined && (follower.value !== undefined || follower.error !== undefined)
}

/** Another member may allow what one refuses, so a watch over several never ends with a member's error. */
function toWaitable(caught: unknown, { settings }: Member): SdError {
  const error = toSdError(caught, 'SD_UNAVAILABLE', `watch of ${settings.name}`)
  return error.retryable ? error : new SdError(error.code, error.message, { retryable: true, cause: error })
}
