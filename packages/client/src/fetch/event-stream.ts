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
  /** The last event id, if the server gave one. */
  readonly id?: string
}

/** Options of `ServiceClient.events`. */
export interface EventOptions extends Omit<RequestOptions, 'body' | 'json' | 'timeoutMs' | 'deadlineAt'> {
  /** Where to go on: sent as `Last-Event-ID` with the first request. */
  readonly lastEventId?: string
  /**
   * Limit until the head of the response, in milliseconds; 0 for none. After it another endpoint is tried.
   *
   * @default the service's `attemptTimeoutMs` if that is a number, else half of its `timeoutMs`; at least 1,000
   */
  readonly attemptTimeoutMs?: number
  /** How long the stream may be silent, comments included, before it is given up and connected again, in milliseconds; 0 for ever. @default 0 */
  readonly idleTimeoutMs?: number
  /** First delay before connecting again, in milliseconds; a server's `retry:` replaces it. @default 1_000 */
  readonly retryMs?: number
}

/** Most characters of one event: what is larger ends the stream with an error. */
const maxEventCharacters = 1_048_576

/** Where events come from, and how. */
interface EventSource extends EventOptions {
  /** Of the service now, see {@link EventOptions.attemptTimeoutMs}. */
  readonly headTimeoutMs: () => number
  readonly service: string
  readonly path: string
}

/** The least that a server can make us wait before we come back, in milliseconds: one that says 0 and ends its streams must not have us connect all the time. */
const shortestRetryMs = 100

/** Follows a stream of events, over any number of connections. Leaving it ends it at once, also while it waits for an event. */
export function followEvents(get: ServiceCall, source: EventSource): AsyncIterableIterator<ServerSentEvent> {
  const leaving = new AbortController()
  const signal = source.signal ? AbortSignal.any([source.signal, leaving.signal]) : leaving.signal
  const events = readEvents(get, { ...source, signal })
  return {
    next: () => events.next(),
    return() {
      // A generator's own return would wait for the event that it waits for.
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
  throw new SdError('SD_MALFORMED', `The response is not an event stream but ${String(type)}`)
}

/** The chunks of a body. Fails with what may be tried again when none comes for that long; the time in which nobody asks for one does not count. */
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
