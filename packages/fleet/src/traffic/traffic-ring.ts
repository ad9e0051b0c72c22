import type { EdgeCounts } from '@sd/admin'
import type { Traffic, TrafficPoint } from '../model.ts'
import { BUCKETS, quantile } from './latency.ts'

/** Length of a step of the recorded past, in milliseconds. */
export const STEP_MS = 5_000
/** Steps of the minute over which rates are computed. */
export const MINUTE_STEPS: number = 60_000 / STEP_MS

/** Offsets of the numbers within a step; the buckets of the latency follow. */
const TOTAL = 0
const FAILED = 1
const RETRIES = 2
const SUM = 3
const HISTOGRAM = 4
const width = HISTOGRAM + BUCKETS

/** Most different codes or policies that are kept apart. The others are counted as `other`. */
const maxNames = 16

/** How often something was counted in a step. */
interface Tally {
  readonly step: number
  readonly kind: 'failed' | 'refused'
  readonly name: string
  count: number
}

/** What was counted between two polls. */
export type TrafficDelta = Pick<EdgeCounts, 'total' | 'failed' | 'refused' | 'retries' | 'latency' | 'latencySumMs'>

/** Counts of calls by time, in bounded memory: 72 bytes for each step of 5 seconds. */
export class TrafficRing {
  readonly #numbers: Float32Array
  readonly #steps: number
  /** Failures and refusals of the last minute. */
  #tallies: Tally[] = []
  /** The newest step with a count, since the epoch. */
  #newest = Number.NEGATIVE_INFINITY

  /** @param steps number of steps that are kept */
  constructor(steps: number) {
    this.#steps = steps
    this.#numbers = new Float32Array(steps * width)
  }

  /** When it was last written, in Unix milliseconds, to the step. */
  get writtenAt(): number {
    return this.#newest * STEP_MS
  }

  /** Adds what was counted between two times, spread evenly over the steps between them. */
  add(delta: TrafficDelta, fromAt: number, toAt: number): void {
    const last = stepOf(toAt)
    const first = Math.max(stepOf(Math.min(fromAt, toAt)), last - this.#steps + 1)
    this.#advance(last)
    const duration = Math.max(1, toAt - fromAt)
    for (let step = first; step <= last; step++) {
      const within = Math.min(toAt, (step + 1) * STEP_MS) - Math.max(fromAt, step * STEP_MS)
      this.#write(step, delta, first === last ? 1 : Math.max(0, within) / duration)
    }
    const recent = last - MINUTE_STEPS
    this.#tallies = this.#tallies.filter(({ step }) => step > recent)
    for (const [name, count] of Object.entries(delta.failed)) this.#tally(last, 'failed', name, count)
    for (const [name, count] of Object.entries(delta.refused)) this.#tally(last, 'refused', name, count)
  }

  /** Adds the last minute before `now` to a sum. */
  addTo(sum: TrafficSum, now: number): void {
    const last = stepOf(now)
    for (let step = Math.max(last - MINUTE_STEPS + 1, this.#newest - this.#steps + 1); step <= this.#newest; step++) {
      sum.addNumbers(this.#numbers, this.#offset(step))
    }
    for (const { step, kind, name, count } of this.#tallies) {
      if (step > last - MINUTE_STEPS) sum.addTally(kind, name, count)
    }
  }

  /** Adds the numbers of one step to a sum; nothing if it is no longer kept. */
  addStep(sum: TrafficSum, step: number): void {
    if (step <= this.#newest && step > this.#newest - this.#steps) sum.addNumbers(this.#numbers, this.#offset(step))
  }

  /** Empties the steps between the newest one and `step`. */
  #advance(step: number): void {
    if (step <= this.#newest) return
    const first = Math.max(this.#newest + 1, step - this.#steps + 1)
    for (let each = first; each <= step; each++) this.#numbers.fill(0, this.#offset(each), this.#offset(each) + width)
    this.#newest = step
  }

  #write(step: number, { total, failed, retries, latency, latencySumMs }: TrafficDelta, share: number): void {
    if (step <= this.#newest - this.#steps) return
    const at = this.#offset(step)
    this.#increase(at + TOTAL, total * share)
    this.#increase(at + FAILED, sumOf(failed) * share)
    this.#increase(at + RETRIES, retries * share)
    this.#increase(at + SUM, latencySumMs * share)
    for (let index = 0; index < BUCKETS; index++) this.#increase(at + HISTOGRAM + index, (latency[index] ?? 0) * share)
  }

  #increase(index: number, by: number): void {
    this.#numbers[index] = (this.#numbers[index] as number) + by
  }

  #tally(step: number, kind: Tally['kind'], name: string, count: number): void {
    if (count <= 0) return
    const names = new Set(this.#tallies.map((tally) => tally.name))
    const kept = names.has(name) || names.size < maxNames ? name : 'other'
    const known = this.#tallies.find((tally) => tally.step === step && tally.kind === kind && tally.name === kept)
    if (known) known.count += count
    else this.#tallies.push({ step, kind, name: kept, count })
  }

  #offset(step: number): number {
    return (step % this.#steps) * width
  }
}

/** A sum of counts, from which rates and quantiles are computed. */
export class TrafficSum {
  readonly #numbers = new Float64Array(width)
  readonly #failed = new Map<string, number>()
  readonly #refused = new Map<string, number>()

  /** Adds the numbers of one step of a ring. */
  addNumbers(numbers: Float32Array, offset: number): void {
    for (let index = 0; index < width; index++) {
      this.#numbers[index] = (this.#numbers[index] as number) + (numbers[offset + index] as number)
    }
  }

  /** Adds a failure or a refusal. */
  addTally(kind: 'failed' | 'refused', name: string, count: number): void {
    const counts = kind === 'failed' ? this.#failed : this.#refused
    counts.set(name, (counts.get(name) ?? 0) + count)
  }

  /** @param coveredMs the time over which it was counted */
  toTraffic(coveredMs: number): Traffic {
    const point = this.#toRates(coveredMs)
    const histogram = this.#numbers.subarray(HISTOGRAM)
    const p50Ms = quantile(histogram, 0.5)
    const p99Ms = quantile(histogram, 0.99)
    return {
      total: Math.round(this.#numbers[TOTAL] as number),
      ...point,
      ...(p50Ms !== undefined && { p50Ms: tidy(p50Ms) }),
      ...(p99Ms !== undefined && { p99Ms: tidy(p99Ms) }),
      failed: Object.fromEntries(this.#failed),
      refused: Object.fromEntries(this.#refused),
      retries: Math.round(this.#numbers[RETRIES] as number),
    }
  }

  /** @param at start of the step */
  toPoint(at: number): TrafficPoint {
    const p99Ms = quantile(this.#numbers.subarray(HISTOGRAM), 0.99)
    return { at, ...this.#toRates(STEP_MS), ...(p99Ms !== undefined && { p99Ms: tidy(p99Ms) }) }
  }

  #toRates(coveredMs: number): { perSecond: number; failedShare: number; meanMs?: number } {
    const [total, failed, , sum] = this.#numbers as unknown as readonly [number, number, number, number]
    let responses = 0
    for (let index = 0; index < BUCKETS; index++) responses += this.#numbers[HISTOGRAM + index] as number
    return {
      perSecond: tidy(total / (coveredMs / 1_000)),
      failedShare: total > 0 ? tidy(Math.min(1, failed / total)) : 0,
      ...(responses > 0 && { meanMs: tidy(sum / responses) }),
    }
  }
}

/** The number of the step that contains a time. */
export function stepOf(at: number): number {
  return Math.floor(at / STEP_MS)
}

/** Four significant digits: more are noise, and cost bytes in each model that is sent. */
function tidy(value: number): number {
  return Number(value.toPrecision(4))
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
