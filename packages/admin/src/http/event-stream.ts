import type { IncomingMessage, ServerResponse } from 'node:http'
import { masking, SdError } from '@sd/core'
import type { ProcessEvent } from '../protocol.ts'
import type { EventJournal } from '../record/event-journal.ts'
import { AnswerError, COMMON_HEADERS } from './responses.ts'

/** Readers at a time. */
const maxClients = 8
/** A reader with more bytes waiting is dropped. It connects again and continues after its last event. */
const maxWaitingBytes = 262_144
const heartbeatMs = 15_000
/** Credentials are checked again after this time, because the reader has to connect again. */
const longestMs = 3_600_000

/** Sends the events of a journal to readers, as server-sent events. */
export interface EventStreams {
  /** Number of readers. */
  readonly count: number
  /** Answers a request with kept and new events. @throws AnswerError 503 if there are too many readers */
  open(request: IncomingMessage, response: ServerResponse): void
  /** Ends all streams. */
  close(): void
}

/** Creates the streams of an endpoint. */
export function createEventStreams(journal: EventJournal): EventStreams {
  const open = new Set<() => void>()
  return {
    get count() {
      return open.size
    },
    open(request, response) {
      if (open.size >= maxClients) {
        const error = new SdError('SD_REJECTED', `More than ${maxClients} readers of events`)
        throw new AnswerError(503, error, { 'retry-after': '5' })
      }
      response.writeHead(200, {
        ...COMMON_HEADERS,
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no',
      })
      if (request.method === 'HEAD') {
        response.end()
        return
      }
      response.write('retry: 2000\n\n')
      function write(text: string): void {
        response.write(text)
        if (response.writableLength > maxWaitingBytes) response.destroy()
      }
      const unfollow = journal.follow((event) => write(format(event)))
      const heartbeat = setInterval(() => write(':\n\n'), heartbeatMs)
      const limit = setTimeout(() => response.end(), longestMs)
      for (const timer of [heartbeat, limit]) timer.unref()
      function end(): void {
        unfollow()
        clearInterval(heartbeat)
        clearTimeout(limit)
        open.delete(end)
        response.end()
      }
      open.add(end)
      response.on('close', end)
      // A reader that ends the connection while something is written.
      response.on('error', end)
      const kept = journal.after(readLastId(request))
      if (kept.length > 0) write(kept.map(format).join(''))
    },
    close() {
      for (const end of open) end()
    },
  }
}

function readLastId({ headers }: IncomingMessage): number {
  const id = Number(headers['last-event-id'] ?? 0)
  return Number.isSafeInteger(id) && id > 0 ? id : 0
}

function format(event: ProcessEvent): string {
  return `id: ${event.id}\ndata: ${masking.line(JSON.stringify(event))}\n\n`
}
