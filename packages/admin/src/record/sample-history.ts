import type { SamplesReport } from '../protocol.ts'
import type { ServiceTotals } from './edge-table.ts'
import type { SystemSample } from './system-monitor.ts'

/** Time between two values, in milliseconds. */
export const SAMPLE_INTERVAL_MS = 1_000

/** Called services with a series of their own. */
const maxServices = 20

type Series = SamplesReport['series'][number]

/** Values of the last minutes, one each second. Series begin when there is a value. */
export class SampleHistory {
  readonly #size: number
  /** By name and service. Each is a ring; all have the same position. */
  readonly #rings: Map<string, { readonly name: string; readonly service?: string; readonly values: Float32Array }> = new Map()
  readonly #totals: Map<string, { total: number; failures: number; latencySumMs: number }> = new Map()
  /** Number of positions written so far. */
  #written = 0
  #endsAt: number = Date.now()

  /** @param size number of values of each series; 0 for none */
  constructor(size: number) {
    this.#size = size
  }

  /** Adds the values of a second. */
  add(system: SystemSample, services: Iterable<ServiceTotals>): void {
    if (this.#size === 0) return
    this.#advance()
    for (const [name, value] of Object.entries(system)) this.#write(name, undefined, value)
    const sum = { calls: 0, failed: 0 }
    for (const { service, total, failures, latencySumMs } of services) {
      const before = this.#totals.get(service) ?? { total: 0, failures: 0, latencySumMs: 0 }
      // An edge that was removed from the table begins again.
      const from = total < before.total ? { total: 0, failures: 0, latencySumMs: 0 } : before
      const [calls, failed] = [total - from.total, failures - from.failures]
      sum.calls += calls
      sum.failed += failed
      if (this.#totals.size < maxServices || this.#totals.has(service)) {
        this.#totals.set(service, { total, failures, latencySumMs })
        this.#write('calls', service, calls)
        this.#write('failed', service, failed)
        if (calls > 0) this.#write('meanMs', service, (latencySumMs - from.latencySumMs) / calls)
      }
    }
    this.#write('calls', undefined, sum.calls)
    this.#write('failed', undefined, sum.failed)
  }

  /** @param names of series to report; all by default @param service only its series */
  report(names?: readonly string[], service?: string): SamplesReport {
    const series: Series[] = []
    for (const { name, service: own, values } of this.#rings.values()) {
      if (names && !names.includes(name)) continue
      if (service !== undefined && own !== service) continue
      series.push({ name, ...(own !== undefined && { service: own }), values: this.#read(values) })
    }
    return { endsAt: this.#endsAt, intervalMs: SAMPLE_INTERVAL_MS, series }
  }

  /** Goes to the position of this second. Seconds in which the event loop was blocked stay without values. */
  #advance(): void {
    const now = Date.now()
    const passed = this.#written === 0 ? 1 : Math.round((now - this.#endsAt) / SAMPLE_INTERVAL_MS)
    const steps = Math.min(this.#size, Math.max(1, passed))
    for (let step = 0; step < steps; step++) {
      for (const { values } of this.#rings.values()) values[this.#written % this.#size] = Number.NaN
      this.#written++
    }
    this.#endsAt = now
  }

  #write(name: string, service: string | undefined, value: number): void {
    const key = service === undefined ? name : `${name}\0${service}`
    let ring = this.#rings.get(key)
    if (!ring) {
      ring = { name, ...(service !== undefined && { service }), values: new Float32Array(this.#size).fill(Number.NaN) }
      this.#rings.set(key, ring)
    }
    ring.values[(this.#written - 1) % this.#size] = value
  }

  /** The values, oldest first. */
  #read(values: Float32Array): readonly (number | null)[] {
    const count = Math.min(this.#written, this.#size)
    return Array.from({ length: count }, (_, index) => {
      const value = values[(this.#written - count + index) % this.#size] as number
      return Number.isNaN(value) ? null : Math.round(value * 1_000) / 1_000
    })
  }
}
