import { closedError, SdError, toSdError } from '../errors.ts'
import { type BackoffOptions, createBackoff } from './backoff.ts'
import { createLatestWins, type LatestWins } from './latest-wins.ts'
import type { OperationOptions } from './operation-options.ts'
import { delayBeforeRetry } from './server-delay.ts'
import { sleep } from './timers.ts'
import type { Watched } from './watched.ts'

/** What one session of watching works with. */
export interface WatchSession<T> {
  /** Hands the full value to all consumers. */
  readonly offer: (value: T) => void
  /** The last value offered in this or an earlier session. */
  readonly previous: () => T | undefined
  /** Fires when nobody watches any more, and once the session has ended: what it opened can hang on it. */
  readonly signal: AbortSignal
}

/** What an adapter provides to a {@link WatchHub}. */
export interface WatchHubOptions<T> {
  /** Name of the owner, for messages. */
  readonly name: string
  /**
   * One session of watching `key`: lists, offers the full value, and offers it again whenever it may have changed, until
   * `signal` fires. It throws when the source is lost; the hub then marks the value stale and starts a new session, which
   * lists again. An error that is not retryable ends the watch of every consumer.
   */
  readonly session: (key: string, session: WatchSession<T>) => Promise<void>
  /** Delays between sessions. */
  readonly backoff?: BackoffOptions
  /** Told when a key is lost, and when it is back. */
  readonly onStaleness?: (key: string, error: SdError | undefined) => void
}

/** Shares one backend watch per key among any number of consumers. */
export interface WatchHub<T> {
  /** A watch of `key`, with the semantics of `Discoverer.watch`. */
  watch(key: string, options?: OperationOptions): AsyncIterable<Watched<T>>
  /** Number of keys that are being watched. */
  readonly size: number
  /** Ends every watch and waits until their sessions returned. Idempotent. */
  close(): Promise<void>
}

/** A session that lists and ends sooner than this is a short one, in milliseconds. */
const shortestSessionMs = 1_000
/** Longest delay after short sessions that follow each other, in milliseconds. */
const longestShortDelayMs = 2_000

interface Topic<T> {
  readonly consumers: Set<LatestWins<Watched<T>>>
  readonly controller: AbortController
  current: Watched<T> | undefined
}

/**
 * The one watch loop of all adapters: latest wins, deduplicated, shared per key, restarted with jittered backoff, stale while
 * the source is away. An adapter writes a single session and throws when it breaks.
 */
export function createWatchHub<T>(options: WatchHubOptions<T>): WatchHub<T> {
  const { name, session, onStaleness } = options
  const topics = new Map<string, Topic<T>>()
  const running = new Set<Promise<void>>()
  let closed = false

  function publish(topic: Topic<T>, state: Watched<T>): void {
    topic.current = state
    for (const consumer of topic.consumers) consumer.offer(state)
  }

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
      const controller = new AbortController()
      const end = (): void => controller.abort(signal.reason)
      signal.addEventListener('abort', end, { once: true })
      let error: SdError
      try {
        await session(key, {
          offer: (value) => {
            if (controller.signal.aborted) return
            isKnown = true
            backoff.reset()
            receive(key, topic, value)
          },
          previous: () => topic.current?.value,
          signal: controller.signal,
        })
        if (signal.aborted) return
        throw new SdError('SD_UNAVAILABLE', `${name} ended the watch of ${key}`)
      } catch (caught) {
        if (signal.aborted) return
        error = toSdError(caught, 'SD_UNAVAILABLE', `${name} lost the watch of ${key}`)
        if (!error.retryable) {
          topics.delete(key)
          for (const consumer of [...topic.consumers]) consumer.fail(error)
          return
        }
        lose(key, topic, error)
      } finally {
        signal.removeEventListener('abort', end)
        controller.abort()
      }
      // One that lists and ends at once, again and again, would keep the backend busy with lists.
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

function endedIterator(): AsyncIterator<never> {
  return { next: () => Promise.resolve({ done: true, value: undefined }) }
}
