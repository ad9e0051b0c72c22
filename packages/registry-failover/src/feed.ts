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
  const { merger, wanted } = options
  const followers = new Map<Member, Follower<T>>()
  let moving: PromiseWithResolvers<void> | undefined
  let overdue = false
  let deadline: ReturnType<typeof setTimeout> | undefined
  let onStep: () => void = () => {}
  /** Whether consumers were told that no member is fresh. */
  let lost = false
  let ended = false
  let linger: ReturnType<typeof setTimeout> | undefined

  function follow(member: Member): void {
    const follower: Follower<T> = { controller: new AbortController() }
    followers.set(member, follower)
    void read(member, follower)
  }

  async function read(member: Member, follower: Follower<T>): Promise<void> {
    const { signal: left } = follower.controller
    const backoff = createBackoff({ maxMs: 5_000 })
    while (!left.aborted) {
      let failure: unknown
      try {
        for await (const { value, stale } of options.watch(member, left)) {
          if (left.aborted) return
          if (value !== undefined) follower.value = value
          if (!stale) backoff.reset()
          take(member, follower, stale?.error)
        }
        throw new SdError('SD_UNAVAILABLE', `${member.settings.name} ended its watch`)
      } catch (caught) {
        if (left.aborted) return
        take(member, follower, toWaitable(caught, member))
        failure = caught
      }
      await sleep(delayBeforeRetry(backoff, failure), left, true).catch(() => undefined)
    }
  }

  function take(member: Member, follower: Follower<T>, error: SdError | undefined): void {
    follower.error = error
    // A watch often hears of a loss, or of a return, before the next ping.
    if ((error !== undefined) === (member.health.state === 'healthy')) void member.probe()
    step()
  }

  function step(): void {
    const members = wanted()
    const arrived = members.length > 0 && members.every((member) => followers.get(member)?.value !== undefined)
    if (arrived || overdue) {
      for (const [member, { controller }] of followers) {
        if (members.includes(member)) continue
        followers.delete(member)
        controller.abort()
      }
      moving?.resolve()
      moving = undefined
    }
    onStep()
  }

  function current(previous: T | undefined): Combined<T> | undefined {
    const members = wanted()
    const ahead = members.map((member) => ({ member, follower: followers.get(member) }))
    const isWaiting = !overdue && ahead.some(({ follower }) => !isAnswered(follower))
    if (isWaiting && previous === undefined) return undefined
    const left = [...followers]
      .filter(([member]) => !members.includes(member))
      .map(([member, follower]) => ({ member, follower }))
    const parts = [...ahead, ...left].flatMap(({ member, follower }): readonly Part<T>[] => {
      if (isAnswered(follower)) return [follower]
      return overdue ? [{ error: new SdError('SD_TIMEOUT', `${member.settings.name} has not answered a watch yet`) }] : []
    })
    return combine(parts, merger, previous)
  }

  function reconcile(): void {
    if (ended) return
    const members = wanted()
    for (const member of members) if (!followers.has(member)) follow(member)
    moving ??= Promise.withResolvers()
    overdue = false
    clearTimeout(deadline)
    deadline = setTimeout(() => {
      overdue = members.length > 0
      step()
    }, options.limitMs())
    deadline.unref?.()
    step()
  }

  function end(): void {
    if (ended) return
    ended = true
    clearTimeout(deadline)
    clearTimeout(linger)
    for (const { controller } of followers.values()) controller.abort()
    moving?.resolve()
    options.onEnd()
  }

  function run({ offer, previous, signal }: WatchSession<T>): Promise<void> {
    clearTimeout(linger)
    // Whoever has no value yet has not been told either.
    if (previous() === undefined) lost = false
    return new Promise((resolve, reject) => {
      function onAbort(): void {
        end()
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      onStep = () => {
        const found = current(previous())
        if (!found) return
        if ('value' in found) {
          lost = false
          offer(found.value)
        } else if (!lost) {
          lost = true
          onStep = () => {}
          signal.removeEventListener('abort', onAbort)
          linger = setTimeout(end, lingerMs)
          linger.unref?.()
          reject(found.error)
        }
      }
      onStep()
    })
  }

  reconcile()
  return { reconcile, moved: () => moving?.promise ?? Promise.resolve(), run, end }
}

function isAnswered<T>(follower: Follower<T> | undefined): follower is Follower<T> {
  return follower !== undefined && (follower.value !== undefined || follower.error !== undefined)
}

/** What one member refuses another may give: a watch over several never ends for a member's error. */
function toWaitable(caught: unknown, { settings }: Member): SdError {
  const error = toSdError(caught, 'SD_UNAVAILABLE', `watch of ${settings.name}`)
  return error.retryable ? error : new SdError(error.code, error.message, { retryable: true, cause: error })
}
