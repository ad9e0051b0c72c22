import type { Phase } from './timeline.ts'

/** One call of a contender. */
export interface ChaosCall {
  /** HTTP method. */
  readonly method: string
  /** When it was due, in Unix milliseconds. */
  readonly at: number
  /** When it ended. */
  readonly endedAt: number
  /** Delay of its start, caused by the machine, not by the contender. */
  readonly lateMs: number
  /** Latency from the due time; the deadline if it failed. */
  readonly latencyMs: number
  /** Reason of the failure; `undefined` for success. */
  readonly failure: string | undefined
}

/** Losses and latencies of a contender in one run. */
export interface ChaosResult {
  /** Number of calls outside of blips. */
  readonly sent: number
  /** Failed calls by method, without `died`. */
  readonly lost: Readonly<Record<string, number>>
  /** POSTs whose instance was killed during the request. */
  readonly died: number
  /** Calls that failed, by phase and reason. */
  readonly reasons: Readonly<Record<string, number>>
  /** Share of lost calls, and of lost GETs. */
  readonly lossShare: number
  readonly getLossShare: number
  /** Share of calls lost in the rolling restart. */
  readonly restartLosses: number
  /** Latencies outside of blips, and in the calm phase: the quantiles 0.5, 0.99 and 0.999. */
  readonly latenciesMs: readonly number[]
  readonly calmMs: readonly number[]
  /** 99th percentile of the start delay in the calm phase. Above 20 ms the machine was too busy for a result. */
  readonly lateMs: number
  /** By blip: time of the last failure after its start and the limit, in milliseconds, and the number of failures. */
  readonly blips: readonly { readonly name: string; readonly lastMs: number; readonly limitMs: number; readonly failed: number }[]
}

/** Error codes of a connection that broke during a request. */
const reset = /ECONNRESET|UND_ERR_SOCKET|SD_UNAVAILABLE|EPIPE/

/** Judges one run of one contender. */
export function judge(calls: readonly ChaosCall[], phases: readonly Phase[]): ChaosResult {
  const blips = phases.filter(({ blipMs }) => blipMs > 0)
  const inBlip = (at: number): boolean => blips.some(({ from, blipMs }) => at >= from - 100 && at <= limitOf(from, blipMs))
  const end = phases.at(-1)?.until ?? 0
  const counted = calls.filter(({ at }) => at >= (phases[0]?.from ?? 0) && at < end)
  const outside = counted.filter(({ at }) => !inBlip(at))
  const killedAt = phases.find(({ name }) => name === 'kill -9')?.from ?? Number.NaN
  const failed = outside.filter(({ failure }) => failure !== undefined)
  const died = failed.filter(
    ({ method, failure = '', at, endedAt }) =>
      method === 'POST' && reset.test(failure) && at <= killedAt + 20 && endedAt >= killedAt - 20 && endedAt < killedAt + 500,
  )
  const lost = failed.filter((call) => !died.includes(call))
  const phaseOf = (at: number): string => phases.find(({ from, until }) => at >= from && at < until)?.name ?? 'between'
  const [calm] = phases
  const inCalm = outside.filter(({ at }) => calm !== undefined && at < calm.until)
  const gets = outside.filter(({ method }) => method === 'GET').length
  const lostBy = tally(lost.map(({ method }) => method))
  return {
    sent: outside.length,
    lost: lostBy,
    died: died.length,
    reasons: tally(lost.map(({ at, method, failure = '' }) => `${phaseOf(at)}: ${method} ${failure}`)),
    lossShare: lost.length / outside.length,
    getLossShare: (lostBy['GET'] ?? 0) / gets,
    restartLosses: lost.filter(({ at }) => phaseOf(at) === 'rolling restart').length,
    latenciesMs: quantiles(outside.map(({ latencyMs }) => latencyMs)),
    calmMs: quantiles(inCalm.map(({ latencyMs }) => latencyMs)),
    lateMs: quantiles(inCalm.map(({ lateMs }) => lateMs))[1] as number,
    blips: blips.map(({ name, from, until, blipMs }) => {
      // A call that ended after the start of the next blip is attributed to that blip.
      const inPhase = counted.filter(({ at, endedAt, failure }) => failure !== undefined && at >= from - 100 && endedAt < until)
      const lastMs = Math.max(0, ...inPhase.map(({ endedAt }) => endedAt - from))
      return { name, lastMs: Math.round(lastMs), limitMs: limitOf(0, blipMs), failed: inPhase.length }
    }),
  }
}

function limitOf(from: number, blipMs: number): number {
  return from + 1.2 * blipMs + 250
}

function quantiles(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b)
  return [0.5, 0.99, 0.999].map((share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN)
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
