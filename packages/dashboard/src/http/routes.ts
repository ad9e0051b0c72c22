import type { IncomingMessage, ServerResponse } from 'node:http'
import { invalidError, withTimeout } from '@sd/core'
import type { ConfigReader } from '../configs/config-reader.ts'
import type { DashboardFleet } from '../fleet-interface.ts'
import type { ModelStream } from '../model/model-stream.ts'
import type { HistoryAnswer } from '../protocol.ts'
import { Refusal, SECURITY_HEADERS, send, sendJson } from './exchange.ts'

/** Limit of an answer of the fleet, in milliseconds. */
const answerLimitMs = 10_000
const longestParameter = 1_000

/** Paths of admin endpoints that the page may ask for, all of them with GET. */
const askable: ReadonlySet<string> = new Set([
  '/calls',
  '/config',
  '/edges',
  '/endpoints',
  '/gateways',
  '/health',
  '/lifecycle',
  '/samples',
  '/slow',
])

/** What the routes read from. None of it changes anything. */
export interface RouteSources {
  readonly fleet: DashboardFleet
  readonly configs: ConfigReader
  readonly stream: ModelStream
}

/** A request of a user. */
export interface ReadExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  /** Whether the user still has access: asked while a response stays open. */
  readonly isAllowed: () => boolean
}

type Route = (exchange: ReadExchange, sources: RouteSources) => void | Promise<void>

/** The answers to GET, by path. A test goes through them all. */
export const READ_ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  [
    'api/model',
    ({ request, response }, { stream }) => {
      const { at, json } = stream.poll()
      const etag = `"${at}"`
      if (request.headers['if-none-match'] === etag) response.writeHead(304, { ...SECURITY_HEADERS, etag }).end()
      else send(response, 200, 'application/json', json, { etag })
    },
  ],
  ['api/events', ({ request, response, isAllowed }, { stream }) => stream.attach(request, response, isAllowed)],
  [
    'api/explain',
    answer(({ query }, { fleet }, signal) => {
      const from = query.get('from')
      return fleet.explain(read(query, 'service'), { signal, ...(from !== null && { from: read(query, 'from') }) })
    }),
  ],
  [
    'api/history',
    answer(async ({ query }, { fleet }) => {
      const instanceId = query.has('instance') ? read(query, 'instance') : undefined
      const points = fleet.history({ service: read(query, 'service'), ...(instanceId !== undefined && { instanceId }) })
      return { points } satisfies HistoryAnswer
    }),
  ],
  [
    'api/ask',
    answer(({ query }, { fleet }) => {
      const path = read(query, 'path')
      if (!askable.has(path)) throw invalidError('path', path, `one of ${[...askable].join(', ')}`)
      const asked: Record<string, string> = {}
      for (const name of ['service', 'config', 'value']) {
        if (query.has(name)) asked[name === 'value' ? 'path' : name] = read(query, name)
      }
      return fleet.ask(read(query, 'process'), path, asked)
    }),
  ],
  ['api/configs', answer((_, { configs }, signal) => configs.list(signal))],
  ['api/config', answer(({ query }, { configs }, signal) => configs.get(read(query, 'source'), read(query, 'key'), signal))],
  [
    'api/config/diff',
    answer(({ query }, { configs }, signal) =>
      configs.diff(
        {
          source: read(query, 'source'),
          key: read(query, 'key'),
          from: readVersion(query, 'from'),
          to: readVersion(query, 'to'),
        },
        signal,
      ),
    ),
  ],
])

/** A route that answers with JSON, in a limited time, and stops when the client leaves. */
function answer(run: (exchange: ReadExchange, sources: RouteSources, signal: AbortSignal) => Promise<unknown>): Route {
  return async (exchange, sources) => {
    const value = await whileOpen(exchange.response, (signal) => run(exchange, sources, signal))
    sendJson(exchange.response, value)
  }
}

/** Runs something for a response: with a time limit, and aborted if the client disconnects. */
export async function whileOpen<Value>(response: ServerResponse, run: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
  const left = new AbortController()
  const abort = (): void => left.abort()
  response.once('close', abort)
  try {
    return await withTimeout({ timeoutMs: answerLimitMs, what: 'answering the page', signal: left.signal }, run)
  } finally {
    response.off('close', abort)
  }
}

function read(query: URLSearchParams, name: string): string {
  const value = query.get(name)
  if (value === null || value === '') throw invalidError(name, value, 'a text')
  if (value.length > longestParameter) throw new Refusal(414, `${name} is longer than ${longestParameter} characters`)
  return value
}

function readVersion(query: URLSearchParams, name: string): number {
  const value = Number(read(query, name))
  if (!Number.isSafeInteger(value) || value < 1) throw invalidError(name, query.get(name), 'the number of a version')
  return value
}
