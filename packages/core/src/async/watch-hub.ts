import { closedError, SdError, toSdError } from '../errors.ts'
import { type BackoffOptions, createBackoff } from './backoff.ts'
import { createLatestWins, type LatestWins } from './latest-wins.ts'
import type { OperationOptions } from './operation-options.ts'
import { delayBeforeRetry } from './server-delay.ts'
import { sleep } from './timers.ts'
import type { Watched } from './watched.ts'

/** What a watch session works with. */
export interface WatchSession<T> {
  /** Passes the full value to all consumers. */
  readonly offer: (value: T) => void
  /** Returns the last value offered in this or an earlier session. */
  readonly previous: () => T | undefined
  /** Aborts when the last consumer leaves and when the session ends, so that resources can be tied to it. */
  readonly signal: AbortSignal
}

/** Options of {@link createWatchHub}. */
export interface WatchHubOptions<T> {
  /** Name of the owner, for messages. */
  readonly name: string
  /**
   * Runs one watch session of `key`: it lists, offers the full value, and offers it again whenever it may have changed,
   * until `signal` aborts. It throws when the source becomes unreachable. The hub then marks the value stale and starts a
   * new session, which lists again. An error that is not retryable ends the watch of every consumer.
   */
  readonly session: (key: string, session: WatchSession<T>) => Promise<void>
  /** Delays between sessions. */
  readonly backoff?: BackoffOptions
  /** Called with an error when the source of a key becomes unreachable, and without one when it is reachable again. */
  readonly onStaleness?: (key: string, error: SdError | undefined) => void
}

/** Shares one backend watch per key among any number of consumers. */
export interface WatchHub<T> {
  /** Watches `key`, with the semantics of `Discoverer.watch`. */
  watch(key: string, options?: OperationOptions): AsyncIterable<Watched<T>>
  /** Number of watched keys. */
  readonly size: number
  /** Ends every watch and waits for the sessions to return. Idempotent. */
  close(): Promise<void>
}

/** A session that lists and then ends before this time is short, in milliseconds. */
const shortestSessionMs = 1_000
/** Upper limit of the delay after consecutive short sessions, in milliseconds. */
const longestShortDelayMs = 2_000

interface Topic<T> {
  readonly consumers: Set<LatestWins<Watched<T>>>
  readonly controller: AbortController
  current: Watched<T> | undefined
}

/**
 * Creates the watch loop that all adapters use. It delivers the latest value without duplicates, shares one session per
 * key, restarts it with jittered backoff, and marks values stale while the source is unreachable. An adapter writes a
 * single session that throws when it breaks.
 */
export function createWatchHub<T>(options: WatchHubOptions<T>): WatchHub<T> {
  const { name, session, onStaleness } = options
  const topics = new Map<string, Topic<T>>()
  const running = new Set<Promise<void>>()
  let closed = false

  function lose(key: string, topic: Topic<T>, error: SdError): void {
    if (topic.current?.stale) return
    publish(topic, { ...topic.current, stale: { since: Date.now(), error } })
    onStaleness?.(key, error)
  }

  function receive(key: string, topic: Topic<T>, value: T): void {
    const { current } = topic
    if (current && !current.stale && Object.is(current.value, value)) return
    publish(topic, { value })
    if (current?.stale) onStaleness?.(key, undefined)
  }

  async function run(key: string, topic: Topic<T>): Promise<void> {
    const { signal } = topic.controller
    const backoff = createBackoff(options.backoff)
    const whenShort = createBackoff({ baseMs: options.backoff?.baseMs ?? 200, maxMs: longestShortDelayMs })
    while (!signal.aborted) {
      const startedAt = performance.now()
      let isKnown = false
      let error: SdError
      try {
        await runSession(session, key, topic, (value) => {
          isKnown = true
          backoff.reset()
          receive(key, topic, value)
        })
        if (signal.aborted) return
        throw new SdError('SD_UNAVAILABLE', `${name}: the watch of ${key} ended`)
      } catch (caught) {
        if (signal.aborted) return
        error = toSdError(caught, 'SD_UNAVAILABLE', `${name}: the watch of ${key} failed`)
        if (!error.retryable) {
          topics.delete(key)
          for (const consumer of [...topic.consumers]) consumer.fail(error)
          return
        }
        lose(key, topic, error)
      }
      // A source that lists and fails at once, again and again, would otherwise cause a steady load of lists.
      const isShort = isKnown && performance.now() - startedAt < shortestSessionMs
      if (!isShort) whenShort.reset()
      const delayMs = Math.max(delayBeforeRetry(backoff, error), isShort ? whenShort.next() : 0)
      await sleep(delayMs, signal, true).catch(() => undefined)
    }
  }

  function open(key: string): Topic<T> {
    const topic: Topic<T> = { consumers: new Set(), controller: new AbortController(), current: undefined }
    topics.set(key, topic)
    const loop = run(key, topic).finally(() => running.delete(loop))
    running.add(loop)
    return topic
  }

  function subscribe(key: string, signal: AbortSignal | undefined): AsyncIterator<Watched<T>> {
    if (signal?.aborted) return endedIterator()
    const topic = topics.get(key) ?? open(key)
    const onAbort = (): void => consumer.end()
    const consumer = createLatestWins<Watched<T>>({
      onEnd() {
        signal?.removeEventListener('abort', onAbort)
        topic.consumers.delete(consumer)
        if (topic.consumers.size > 0) return
        if (topics.get(key) === topic) topics.delete(key)
        topic.controller.abort()
      },
    })
    topic.consumers.add(consumer)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (topic.current) consumer.offer(topic.current)
    return consumer
  }

  return {
    watch: (key, watchOptions) => ({
      [Symbol.asyncIterator]: () => {
        if (closed) throw closedError(name)
        return subscribe(key, watchOptions?.signal)
      },
    }),
    get size() {
      return topics.size
    },
    async close() {
      closed = true
      for (const topic of [...topics.values()]) for (const consumer of [...topic.consumers]) consumer.end()
      await Promise.all(running)
    },
  }
}

function publish<T>(topic: Topic<T>, state: Watched<T>): void {
  topic.current = state
  for (const consumer of topic.consumers) consumer.offer(state)
}

/** Runs one session. When it ends, its signal aborts and later values are dropped. */
async function runSession<T>(
  session: WatchHubOptions<T>['session'],
  key: string,
  topic: Topic<T>,
  onValue: (value: T) => void,
): Promise<void> {
  const { signal } = topic.controller
  const controller = new AbortController()
  const end = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  try {
    await session(key, {
      offer: (value) => {
        if (!controller.signal.aborted) onValue(value)
      },
      previous: () => topic.current?.value,
      signal: controller.signal,
    })
  } finally {
    signal.removeEventListener('abort', end)
    controller.abort()
  }
}

function endedIterator(): AsyncIterator<never> {
  return { next: () => Promise.resolve({ done: true, value: undefined }) }
}
