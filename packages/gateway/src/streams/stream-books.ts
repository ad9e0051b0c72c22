import type { GatewayConnection } from '../listener/connection.ts'
import type { CompiledTable } from '../routing/compiled-table.ts'
import { StreamCall, type StreamHome, type StreamSource } from './stream-call.ts'
import type { GatewayStream, StreamHandler, StreamRequest } from './stream-protocol.ts'
import { recordOf } from './stream-record.ts'

/** The connections and sessions of a gateway that are connected to services, or are being connected. */
export class StreamBooks implements StreamHome {
  readonly open: Set<StreamCall> = new Set()
  readonly context: StreamSource
  readonly #drainMs: number
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  readonly #leaving = new WeakSet<StreamCall>()

  /** @param drainMs how long those of changed routes may stay */
  constructor(context: StreamSource, drainMs: number) {
    this.context = context
    this.#drainMs = drainMs
  }

  forward(protocol: string, connection: GatewayConnection, request: StreamRequest, handler: StreamHandler): GatewayStream {
    const call = new StreamCall(this, { protocol, connection, request, handler }, recordOf(connection))
    void call.begin()
    return call
  }

  /** A new table is in effect: those of other routes may stay for a while. */
  reload({ routes }: CompiledTable): void {
    if (this.open.size === 0) return
    const byName = new Map(routes.map(({ spec }) => [spec.name, spec]))
    const leaving: StreamCall[] = []
    for (const call of this.open) {
      const spec = byName.get(call.routeName)
      if ((spec && call.suits(spec)) || this.#leaving.has(call)) continue
      this.#leaving.add(call)
      leaving.push(call)
    }
    if (leaving.length === 0) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      for (const call of leaving) call.cut('reload')
    }, this.#drainMs)
    this.#timers.add(timer)
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}
