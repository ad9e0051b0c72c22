import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { SdError } from '@sd/core'
import type { UpgradedConnection } from '../protocol.ts'
import type { ResolvedTable } from '../table/resolve-table.ts'
import type { RouteSpec } from '../table/table.ts'

/** The longest time between the request to close a connection and its cut after a reload, in milliseconds. */
const mostGraceMs = 5_000

/** A connection that has changed from HTTP to another protocol. */
export interface UpgradedExchange {
  readonly client: Duplex
  readonly service: Duplex
  readonly connection: UpgradedConnection
  /** Name of its listener. */
  readonly listener: string
  readonly route: RouteSpec
  /** It is over. @param error why the gateway has cut it */
  onEnd(error: SdError | undefined): void
}

interface Entry extends UpgradedExchange {
  /** Until a connection of an earlier table is asked to close, and then until it is cut. */
  timer?: NodeJS.Timeout | undefined
}

/** The open connections of a gateway that have changed from HTTP to another protocol. */
export class UpgradedConnections {
  readonly #entries = new Set<Entry>()
  #isDraining = false

  get size(): number {
    return this.#entries.size
  }

  /** Keeps a connection until its client has closed it. */
  add(exchange: UpgradedExchange): void {
    const entry: Entry = { ...exchange }
    this.#entries.add(entry)
    entry.client.once('close', () => {
      clearTimeout(entry.timer)
      this.#entries.delete(entry)
      entry.onEnd(undefined)
    })
    if (this.#isDraining) entry.connection.beginDrain()
  }

  /** Asks the peers of all connections to close them, also of those that come later. */
  beginDrain(): void {
    this.#isDraining = true
    for (const { connection } of this.#entries) connection.beginDrain()
  }

  /** A table is in effect. Connections whose route or listener has changed may stay for a time. */
  retire({ routes, listeners }: ResolvedTable, stayMs: number): void {
    if (this.#entries.size === 0) return
    const specs = new Map(routes.map((route) => [route.name, route]))
    const names = new Set(listeners.map(({ name }) => name))
    const unchanged = new Map<RouteSpec, boolean>()
    for (const entry of this.#entries) {
      const { route, listener } = entry
      let isSame = unchanged.get(route)
      if (isSame === undefined) {
        isSame = isDeepStrictEqual(route, specs.get(route.name))
        unchanged.set(route, isSame)
      }
      if (!isSame || !names.has(listener)) this.#limit(entry, stayMs)
      else if (entry.timer) {
        clearTimeout(entry.timer)
        entry.timer = undefined
      }
    }
  }

  /** Closes all connections at once. */
  cut(): void {
    for (const entry of this.#entries) cutOff(entry, 'The connection was still open at the end of the drain')
  }

  #limit(entry: Entry, stayMs: number): void {
    if (entry.timer) return
    const graceMs = Math.min(mostGraceMs, stayMs / 2)
    entry.timer = setTimeout(() => {
      entry.connection.beginDrain()
      entry.timer = setTimeout(cutOff, graceMs, entry, 'The route of the connection has changed, and its time has passed')
    }, stayMs - graceMs)
  }
}

function cutOff({ client, service, onEnd }: Entry, message: string): void {
  onEnd(new SdError('SD_ABORTED', message, { origin: 'local' }))
  client.destroy()
  service.destroy()
}
