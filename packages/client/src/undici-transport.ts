import { Agent, type Dispatcher, interceptors } from 'undici'
import type { Transport } from './transport.ts'
import { UndiciExchange } from './undici-exchange.ts'

/** Options of {@link createUndiciTransport}. */
export interface UndiciTransportOptions {
  /** Most connections to one endpoint. @default 128 */
  readonly connections?: number
  /** How long an idle connection is kept, in milliseconds; below the 5 s of a Node server, which else closes it under a request. @default 4_000 */
  readonly keepAliveTimeoutMs?: number
  /** How long making a connection may take, in milliseconds. @default 3_000 */
  readonly connectTimeoutMs?: number
  /** Whether HTTP/2 is offered over TLS. @default false */
  readonly allowH2?: boolean
  /** Whether compressed answers are asked for and decompressed. @default false */
  readonly decompress?: boolean
  /** A dispatcher of your own instead of an owned Agent; then the other connection options don't count, and it is not closed. */
  readonly dispatcher?: Dispatcher
}

/** A transport over undici. */
export interface UndiciTransport extends Transport {
  /** What it sends with. */
  readonly dispatcher: Dispatcher
}

/** Sends over undici with one owned Agent. Deadlines are the client's: undici's own time limits for head and body are off. */
export function createUndiciTransport(options: UndiciTransportOptions = {}): UndiciTransport {
  const owned = options.dispatcher ? undefined : createAgent(options)
  const base = options.dispatcher ?? owned
  const dispatcher = (options.decompress ? base?.compose(interceptors.decompress()) : base) as Dispatcher
  return {
    name: 'undici',
    dispatcher,
    send(endpoint, request, handler) {
      const exchange = new UndiciExchange(handler)
      exchange.start(dispatcher, endpoint, request)
      return exchange
    },
    async close() {
      if (owned && !owned.destroyed) await owned.destroy()
    },
  }
}

function createAgent(options: UndiciTransportOptions): Agent {
  return new Agent({
    connections: options.connections ?? 128,
    keepAliveTimeout: options.keepAliveTimeoutMs ?? 4_000,
    keepAliveMaxTimeout: options.keepAliveTimeoutMs ?? 4_000,
    allowH2: options.allowH2 ?? false,
    connect: { timeout: options.connectTimeoutMs ?? 3_000 },
  })
}
