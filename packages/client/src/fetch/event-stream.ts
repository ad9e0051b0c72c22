import { checkDuration, createBackoff, delayBeforeRetry, SdError, sleep } from '@sd/core'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { RequestOptions, ServiceCall } from '../call/request-options.ts'
import type { ServiceResponse } from '../message/service-response.ts'

/** One server-sent event. */
export interface ServerSentEvent {
  /** Its type. @default 'message' */
  readonly event: string
  /** Its data. */
  readonly data: string
  /** The last event id, if the server sent one. */
  readonly id?: string
}

/** Options of `ServiceClient.events`. */
export interface EventOptions extends Omit<RequestOptions, 'body' | 'json' | 'timeoutMs' | 'deadlineAt'> {
  /** Position to continue from: sent as `Last-Event-ID` with the first request. */
  readonly lastEventId?: string
  /**
   * Time limit until the head of the response, in milliseconds; 0 for no limit. After it another endpoint is tried.
   *
   * @default the service's `attemptTimeoutMs` if that is a number, else half of its `timeoutMs`; at least 1,000
   */
  readonly attemptTimeoutMs?: number
  /** Time after which a silent stream (no data, no comments) is reconnected, in milliseconds; 0 for never. @default 0 */
  readonly idleTimeoutMs?: number
  /** First delay before reconnecting, in milliseconds; a server's `retry:` replaces it. @default 1_000 */
  readonly retryMs?: number
}

/** Most characters of one event; a larger one ends the stream with an error. */
const maxEventCharacters = 1_048_576

/** Source of events. */
interface EventSource extends EventOptions {
  /** Current time limit of the service, see {@link EventOptions.attemptTimeoutMs}. */
  readonly headTimeoutMs: () => number
  readonly service: string
  readonly path: string
}

/**
 * Shortest reconnect delay, in milliseconds: a server that sends `retry: 0` and ends its streams must not make the
 * client reconnect all the time.
 */
const shortestRetryMs = 100

/** Follows a stream of events, over any number of connections. Leaving it ends it at once, also while it waits for an event. */
export function followEvents(get: ServiceCall, source: EventSource): AsyncIterableIterator<ServerSentEvent> {
  const leaving = new AbortController()
  const signal = source.signal ? AbortSignal.any([source.signal, leaving.signal]) : leaving.signal
  const events = readEvents(get, { ...source, signal })
  return {
    next: () => events.next(),
    return() {
      // A generator's own `return` would first wait for the pending event.
      leaving.abort()
      return events.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function* readEvents(get: ServiceCall, source: EventSource): AsyncGenerator<ServerSentEvent, undefined> {
  const { service, path, lastEventId, retryMs = 1_000, idleTimeoutMs = 0, headTimeoutMs, ...request } = source
  checkDuration('idleTimeoutMs', idleTimeoutMs)
  const { signal } = request
  let id = lastEventId
  let backoff = createBackoff({ baseMs: checkDuration('retryMs', retryMs, 1), maxMs: Math.max(30_000, retryMs) })
  while (!signal?.aborted) {
    let failure: unknown
    try {
      const headers = { accept: 'text/event-stream', ...request.headers, ...(id !== undefined && { 'last-event-id': id }) }
      const response = await get(service, path, { attemptTimeoutMs: headTimeoutMs(), ...request, headers, timeoutMs: 0 })
      if (response.status === 204) return undefined
      checkEventStream(response)
      const onRetry = (delayMs: number): void => {
        backoff = createBackoff({ baseMs: delayMs, maxMs: Math.max(30_000, delayMs) })
      }
      for await (const message of parse(watchIdle(response, idleTimeoutMs), onRetry)) {
        backoff.reset()
        id = message.id ?? id
        yield { event: message.event ?? 'message', data: message.data, ...(id !== undefined && { id }) }
      }
    } catch (error) {
      if (signal?.aborted) return undefined
      if (!(error instanceof SdError) || !error.retryable) throw error
      failure = error
    }
    await sleep(delayBeforeRetry(backoff, failure), signal).catch(() => undefined)
  }
  return undefined
}

function checkEventStream(response: ServiceResponse): void {
  response.ensureOk()
  const type = response.headers['content-type']
  if (typeof type === 'string' && type.startsWith('text/event-stream')) return
  response.cancel()
  throw new SdError('SD_MALFORMED', `Expected an event stream (text/event-stream), got ${String(type)}`)
}

/**
 * The chunks of a body. Fails with a retryable error if none arrives within `idleTimeoutMs`; time in which the consumer
 * does not read is not counted.
 */
async function* watchIdle(response: ServiceResponse, idleTimeoutMs: number): AsyncGenerator<Uint8Array> {
  if (idleTimeoutMs === 0) return yield* response.body
  let isWaiting = true
  let isIdle = false
  const timer = setTimeout(() => {
    isIdle = isWaiting
    if (isIdle) response.cancel()
  }, idleTimeoutMs)
  try {
    for await (const chunk of response.body) {
      isWaiting = false
      yield chunk
      isWaiting = true
      timer.refresh()
    }
  } catch (error) {
    throw isIdle ? new SdError('SD_TIMEOUT', `No event within ${idleTimeoutMs} ms`) : error
  } finally {
    clearTimeout(timer)
  }
}

async function* parse(chunks: AsyncIterable<Uint8Array>, onRetry: (delayMs: number) => void): AsyncGenerator<EventSourceMessage> {
  let messages: EventSourceMessage[] = []
  const parser = createParser({
    onEvent: (message) => messages.push(message),
    onRetry: (delayMs) => onRetry(Math.min(Math.max(delayMs, shortestRetryMs), 3_600_000)),
    maxBufferSize: maxEventCharacters,
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw new SdError('SD_TOO_LARGE', error.message, { cause: error })
    },
  })
  const decoder = new TextDecoder()
  for await (const chunk of chunks) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    const arrived = messages
    messages = []
    yield* arrived
  }
}
