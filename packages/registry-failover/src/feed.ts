import { createBackoff, delayBeforeRetry, SdError, sleep, toSdError, type Watched, type WatchSession } from '@sd/core'
import type { Member } from './member.ts'
import { type Combined, combine, type Merger, type Part } from './merge.ts'

/** Options of {@link createFeed}. */
export interface FeedOptions<T> {
  /** How values become one. */
  readonly merger: Merger<T>
  /** The watch of one member. */
  readonly watch: (member: Member, signal: AbortSignal) => AsyncIterable<Watched<T>>
  /** The members that are read now, the best first. */
  readonly wanted: () => readonly Member[]
  /** How long a new member is waited for, in milliseconds. */
  readonly limitMs: () => number
  /** Called once it has ended. */
  readonly onEnd: () => void
}

/** One watch over several members. It outlives a session of the hub, so that what members said last is not lost with it. */
export interface Feed<T> {
  /** One session of the hub: offers until its signal fires, which ends the feed; throws when no member is fresh any more. */
  run(session: WatchSession<T>): Promise<void>
  /** Follows the members that are wanted now. The others are left once the new ones gave a value, or at the limit. */
  reconcile(): void
  /** Resolves once no member is followed that is not wanted. */
  moved(): Promise<void>
  /** Leaves all members. */
  end(): void
}

/** How long a feed waits for the next session, in milliseconds: longer than the hub pauses between two. */
const lingerMs = 10_000

interface Follower<T> {
  readonly controller: AbortController
  value?: T
  error?: SdError | undefined
}

/** Follows several members at once and keeps what each said last. */
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
  /** Whether consumers were told that no member is fresh. */
  #lost = false
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
    // A watch often hears of a loss, or of a return, before the next ping.
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
    const isWaiting = !this.#overdue && ahead.some(({ follower }) => !isAnswered(follower))
    if (isWaiting && previous === undefined) return undefined
    const left = [...this.#followers]
      .filter(([member]) => !members.includes(member))
      .map(([member, follower]) => ({ member, follower }))
    const parts = [...ahead, ...left].flatMap(({ member, follower }): readonly Part<T>[] => {
      if (isAnswered(follower)) return [follower]
      return this.#overdue ? [{ error: new SdError('SD_TIMEOUT', `${member.settings.name} has not answered a watch yet`) }] : []
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
    // Whoever has no value yet has not been told either.
    if (previous() === undefined) this.#lost = false
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
          this.#lost = false
          offer(found.value)
        } else if (!this.#lost) {
          this.#lost = true
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

function isAnswered<T>(follower: Follower<T> | undefined): follower is Follower<T> {
  return follower !== undefined && (follower.value !== undefined || follower.error !== undefined)
}

/** What one member refuses another may give: a watch over several never ends for a member's error. */
function toWaitable(caught: unknown, { settings }: Member): SdError {
  const error = toSdError(caught, 'SD_UNAVAILABLE', `watch of ${settings.name}`)
  return error.retryable ? error : new SdError(error.code, error.message, { retryable: true, cause: error })
}
