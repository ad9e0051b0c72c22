import {
  answerInquiries,
  type ClusterSource,
  closedError,
  type GatewayAnswer,
  MAX_ANSWER_ITEMS,
  publishTelemetry,
  reportStates,
  settlesWithin,
  toSdError,
  toWireError,
} from '@sd/core'
import { BodyPaces } from './exchange/body-pace.ts'
import type { ExchangeContext } from './exchange/exchange-context.ts'
import type { GatewayClient } from './exchange/gateway-client.ts'
import { UpgradedConnections } from './exchange/upgraded-connections.ts'
import { ListenerSet, type PreparedListeners } from './listener/listener-set.ts'
import { acceptQueued } from './listener/queued-connections.ts'
import { ProtocolSet } from './protocol-set.ts'
import type { TableParts } from './routing/compile-route.ts'
import { compileTable, retireFilters } from './routing/compile-table.ts'
import type { CompiledTable } from './routing/compiled-table.ts'
import { type ExplainedService, explainRoute, type RouteExplanation, type RouteProbe } from './routing/explain.ts'
import { StreamBooks } from './streams/stream-books.ts'
import { compareTables, type GatewayChange } from './table/compare-tables.ts'
import { describeAction, describeMatch, targetsOf } from './table/describe-route.ts'
import { type ResolvedTable, resolveTable } from './table/resolve-table.ts'
import type { GatewayTable } from './table/table.ts'

/** Options of a gateway with their defaults. */
export interface RuntimeOptions {
  readonly client: GatewayClient
  readonly name: string
  /** Name in the `via` field. */
  readonly pseudonym: string
  /** What routes may refer to. */
  readonly parts: TableParts
  readonly discovery: ClusterSource | undefined
  readonly readyTimeoutMs: number
  readonly reloadDrainMs: number
  readonly closeTimeoutMs: number
}

/** An address that a gateway listens on. */
export interface ListenerAddress {
  /** Name of the listener. */
  readonly listener: string
  readonly host: string
  readonly port: number
}

/** Work of a gateway that is not complete. */
export interface GatewayWork {
  /** Requests without a complete response. */
  readonly requests: number
  /** Sockets that were upgraded from HTTP, such as WebSockets. */
  readonly upgraded: number
  /** Connections and sessions of protocols that are not on HTTP, such as TCP. */
  readonly streams: number
  /** Connections without a request. */
  readonly connections: number
}

/** A gateway as a server that drains: fits `DrainableServer` of `@sd/lifecycle`. */
export interface DrainableGateway {
  /** Port of the first listener. */
  whenListening(): Promise<number | undefined>
  /** Asks clients to send further requests elsewhere, by `connection: close` or GOAWAY, but still serves them. */
  beginDrain(): void
  /** Accepts no new connections. Resolves once all requests have ended. */
  finishDrain(): Promise<void>
  /** Work that is not complete now. */
  remaining(): GatewayWork
  /** Closes all connections. */
  destroy(): Promise<void>
}

const noTable: ResolvedTable = { listeners: [], routes: [] }

/** The state of a gateway: the table in effect, its listeners, and how far it has drained. */
export class GatewayRuntime implements DrainableGateway {
  readonly #options: RuntimeOptions
  readonly #protocols: ProtocolSet
  readonly #streams: StreamBooks
  readonly #context: ExchangeContext
  readonly #listeners: ListenerSet
  readonly #endReports: () => void
  readonly #endAnswers: () => void
  #table = noTable
  #compiled: CompiledTable | undefined
  #updatedAt = 0
  /** The last table that was refused since the one in effect. */
  #refused: GatewayAnswer['refused']
  /** The last of the calls of `configure`. */
  #configuring: Promise<unknown> = Promise.resolve()
  #isDraining = false
  #finishing: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: RuntimeOptions) {
    this.#options = options
    this.#protocols = new ProtocolSet(options.parts.protocols)
    const shared = { client: options.client, table: () => this.#compiled as CompiledTable }
    this.#streams = new StreamBooks(shared, options.reloadDrainMs)
    this.#context = {
      ...shared,
      pseudonym: options.pseudonym,
      openExchanges: { size: 0 },
      paces: new BodyPaces(),
      upgrades: this.#protocols.upgrades,
      upgraded: new UpgradedConnections(),
      replies: new Set(),
      calls: this.#protocols.calls,
      streamProtocols: this.#protocols.streams,
      streams: this.#streams,
    }
    this.#listeners = new ListenerSet(this.#context, options.reloadDrainMs)
    this.#endReports = reportStates(() => [
      {
        kind: 'gateway',
        gateway: options.name,
        version: this.version,
        updatedAt: this.#updatedAt,
        isReady: this.isReady,
        requests: this.#context.openExchanges.size,
        listeners: this.#listeners.bound.map(({ spec, connections }) => ({ listener: spec.name, connections })),
      },
    ])
    this.#endAnswers = answerInquiries('gateways', () => [this.#answer()])
  }

  #answer(): GatewayAnswer {
    const { routes } = this.#table
    return {
      gateway: this.#options.name,
      version: this.version,
      updatedAt: this.#updatedAt,
      isReady: this.isReady,
      listeners: this.#listeners.bound.map(({ spec, port, connections }) => ({
        listener: spec.name,
        host: spec.host,
        port,
        protocols: spec.protocols ?? ['http/1.1', 'h2'],
        isSecure: spec.tls !== undefined,
        connections,
      })),
      routes: routes.slice(0, MAX_ANSWER_ITEMS).map((route) => ({
        route: route.name,
        match: describeMatch(route),
        action: describeAction(route),
        services: [...new Set(targetsOf(route).map(({ service }) => service))],
        filters: (route.filters ?? []).map(({ filter }) => filter),
      })),
      omitted: Math.max(0, routes.length - MAX_ANSWER_ITEMS),
      ...(this.#refused && { refused: this.#refused }),
    }
  }

  get version(): number {
    return this.#compiled?.version ?? 0
  }

  get addresses(): readonly ListenerAddress[] {
    return this.#listeners.bound.map(({ spec, port }) => ({ listener: spec.name, host: spec.host, port }))
  }

  get isReady(): boolean {
    return this.#compiled !== undefined && !this.#isDraining
  }

  configure(table: GatewayTable): Promise<GatewayChange> {
    const configured = this.#configuring.then(() => this.#report(table))
    this.#configuring = configured.catch(() => undefined)
    return configured
  }

  async #report(table: GatewayTable): Promise<GatewayChange> {
    const startedAt = performance.now()
    const gateway = this.#options.name
    try {
      const change = await this.#replace(table)
      this.#refused = undefined
      const { version, routes, listeners } = change
      const durationMs = performance.now() - startedAt
      publishTelemetry('sd:v1:gateway:reload', { gateway, version, durationMs, change: { routes, listeners } })
      return change
    } catch (thrown) {
      const error = toSdError(thrown, 'SD_INVALID', 'The table')
      this.#refused = { at: Date.now(), error: toWireError(error) }
      const durationMs = performance.now() - startedAt
      publishTelemetry('sd:v1:gateway:reload', { gateway, version: this.version, durationMs, error })
      throw error
    }
  }

  async #replace(table: GatewayTable): Promise<GatewayChange> {
    this.#checkOpen()
    const { parts } = this.#options
    this.#protocols.refresh()
    const resolved = resolveTable(table, parts)
    const compiled = compileTable(resolved, parts, this.#compiled)
    const { version } = compiled
    const listeners = await this.#prepare(resolved).catch((error) => {
      retireFilters(compiled, this.#compiled)
      throw error
    })
    const change = { version, ...compareTables(this.#table, resolved) }
    // From here on nothing fails, and nothing waits: requests see either table, and never a part of one.
    const before = this.#compiled
    this.#compiled = compiled
    if (before) retireFilters(before, compiled)
    this.#table = resolved
    this.#updatedAt = Date.now()
    this.#context.upgraded.retire(resolved, this.#options.reloadDrainMs)
    listeners.commit()
    this.#streams.reload(compiled)
    return change
  }

  async #prepare(resolved: ResolvedTable): Promise<PreparedListeners> {
    await this.#awaitServices(resolved)
    const listeners = await this.#listeners.prepare(resolved.listeners)
    try {
      this.#checkOpen()
      return listeners
    } catch (error) {
      await listeners.abandon()
      throw error
    }
  }

  explain(probe: RouteProbe): RouteExplanation {
    const { client } = this.#options
    const explainService = client.explain && ((service: string) => client.explain?.(service) as ExplainedService)
    return explainRoute(this.#table, probe, { explainService, protocols: this.#options.parts.protocols })
  }

  #checkOpen(): void {
    if (this.#isDraining) throw closedError('gateway')
  }

  /** Waits for the first list of each service. A source that fails or is slow delays the gateway, and does not stop it. */
  async #awaitServices({ routes }: ResolvedTable): Promise<void> {
    const { discovery, readyTimeoutMs } = this.#options
    if (!discovery) return
    const targets = routes.flatMap(({ forward = [], mirror = [] }) => [forward, mirror].flat())
    const services = new Set(targets.map(({ service }) => service))
    const late = new AbortController()
    const ready = [...services].map(async (service) => discovery.cluster(service).ready({ signal: late.signal }))
    await settlesWithin(Promise.allSettled(ready), readyTimeoutMs)
    late.abort()
  }

  async whenListening(): Promise<number | undefined> {
    return this.addresses[0]?.port
  }

  beginDrain(): void {
    this.#isDraining = true
    for (const listener of this.#listeners.all) listener.beginDrain()
  }

  finishDrain(): Promise<void> {
    this.#finishing ??= this.#finish()
    return this.#finishing
  }

  async #finish(): Promise<void> {
    this.beginDrain()
    // A table that is being applied is abandoned now.
    await this.#configuring
    // After a standstill the timer of a drain is due before the system's queue of connections has been read.
    await acceptQueued()
    // Not before: a client that opens another connection at once would come back to this process.
    this.#context.upgraded.beginDrain()
    for (const reply of this.#context.replies) reply.beginDrain()
    await Promise.all(this.#listeners.all.map((listener) => listener.finish(this.#options.closeTimeoutMs)))
  }

  remaining(): GatewayWork {
    const all = this.#listeners.all
    const requests = all.reduce((sum, listener) => sum + listener.requests, 0)
    const connections = all.reduce((sum, listener) => sum + listener.connections, 0)
    const streams = all.reduce((sum, listener) => sum + listener.streams, 0)
    const upgraded = this.#context.upgraded.size
    return { requests, upgraded, streams, connections: Math.max(0, connections - requests - upgraded - streams) }
  }

  async destroy(): Promise<void> {
    this.beginDrain()
    await this.#configuring
    this.#context.upgraded.cut()
    await Promise.all(this.#listeners.all.map((listener) => listener.destroy()))
    if (this.#compiled) retireFilters(this.#compiled, undefined)
    this.#streams.close()
    this.#endReports()
    this.#endAnswers()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await settlesWithin(this.finishDrain(), this.#options.closeTimeoutMs)
    await this.destroy()
  }
}
