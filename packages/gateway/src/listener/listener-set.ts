import { isDeepStrictEqual } from 'node:util'
import { settlesWithin } from '@sd/core'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import { datagramProtocolOf } from './datagram-listener.ts'
import { openListener } from './listener.ts'
import type { Listener, PreparedSettings } from './listener-interface.ts'
import { acceptQueued } from './queued-connections.ts'

/** Listeners of a new table, which are not in effect. */
export interface PreparedListeners {
  /** Puts them in effect. Does not throw. Listeners that the table no longer has are drained. */
  commit(): void
  /** Closes what was bound for them. */
  abandon(): Promise<void>
}

/** The listeners of a gateway, by address. */
export class ListenerSet {
  readonly #context: ExchangeContext
  readonly #drainMs: number
  #bound = new Map<string, Listener>()
  /** Listeners of earlier tables, while they have requests. */
  readonly #removed = new Set<Listener>()

  constructor(context: ExchangeContext, drainMs: number) {
    this.#context = context
    this.#drainMs = drainMs
  }

  /** In the order of the table. */
  get bound(): readonly Listener[] {
    return [...this.#bound.values()]
  }

  get all(): readonly Listener[] {
    return [...this.#bound.values(), ...this.#removed]
  }

  /**
   * Loads certificates and binds new addresses. A bound address stays bound, also for a listener of another name: two
   * listeners can swap their addresses.
   *
   * @throws SdError of the first failure; then nothing has changed
   */
  async prepare(specs: readonly ResolvedListener[]): Promise<PreparedListeners> {
    const next = new Map<string, Listener>()
    const opened: Listener[] = []
    const settings: PreparedSettings[] = []
    const abandon = async (): Promise<void> => {
      for (const each of settings) each.discard()
      await Promise.all(opened.map((listener) => listener.destroy()))
    }
    try {
      // First what can fail without a socket.
      for (const spec of specs) {
        const known = this.#bound.get(this.#addressOf(spec))
        if (known && !isDeepStrictEqual(known.spec, spec)) settings.push(await known.prepare(spec))
      }
      for (const spec of specs) {
        const address = this.#addressOf(spec)
        let listener = this.#bound.get(address)
        if (!listener) {
          listener = await openListener(this.#context, spec)
          opened.push(listener)
        }
        next.set(address, listener)
      }
    } catch (error) {
      await abandon()
      throw error
    }
    return { commit: () => this.#commit(next, settings), abandon }
  }

  #commit(next: Map<string, Listener>, settings: readonly PreparedSettings[]): void {
    const before = this.#bound
    this.#bound = next
    for (const each of settings) each.apply()
    for (const listener of next.values()) listener.start()
    for (const [address, listener] of before) if (!next.has(address)) void this.#remove(listener)
  }

  /** What a listener is bound to. Those with port 0 have a port each, which belongs to their name. */
  #addressOf(spec: ResolvedListener): string {
    const { name, host, port } = spec
    // Ports of datagrams are others than those of connections.
    const kind = datagramProtocolOf(this.#context, spec) ? 'datagrams ' : ''
    return port === 0 ? `${kind}${host}:0 ${name}` : `${kind}${host}:${port}`
  }

  async #remove(listener: Listener): Promise<void> {
    this.#removed.add(listener)
    listener.beginDrain()
    await acceptQueued()
    await settlesWithin(listener.finish(this.#drainMs), this.#drainMs)
    await listener.destroy()
    this.#removed.delete(listener)
  }
}
