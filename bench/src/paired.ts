import type { Ratio } from './report.ts'

/** A subject to measure: runs a slice of work and returns the cost of one unit. */
export interface Contender {
  /** Name in the table. */
  readonly name: string
  /** Runs a slice; returns the cost of one unit, in the same unit for all contenders. @throws if anything failed, which invalidates the run */
  readonly slice: () => number | Promise<number>
}

/** Newly started contenders. */
export interface Generation {
  /** The same ones in every generation, the baseline first. */
  readonly contenders: readonly Contender[]
  /** Stops them. */
  close(): void | Promise<void>
}

/** Cost of a contender relative to the baseline, slice by slice. */
export interface PairedResult extends Ratio {
  /** Name of the contender. */
  readonly name: string
  /** Median cost. */
  readonly cost: number
}

/** Limits of a measurement. */
export interface PairedLimits {
  /** Number of rounds before the measured ones. @default 3 */
  readonly warmUp?: number
  /** Time after which no new round begins, in milliseconds, unless fewer than five were measured. @default no limit */
  readonly maxMs?: number
}

/** Minimum number of rounds for a useful spread. */
const fewestRounds = 5

/**
 * Measures contenders in turn: in every round each runs one slice, in a rotating order, so that drift of the machine affects all
 * equally. The first contender is the baseline.
 */
export async function measurePaired(
  contenders: readonly Contender[],
  rounds: number,
  { warmUp = 3, maxMs = Number.POSITIVE_INFINITY }: PairedLimits = {},
): Promise<readonly PairedResult[]> {
  const costs = contenders.map((): number[] => [])
  const endsAt = performance.now() + maxMs
  for (let round = -warmUp; round < rounds && (round < fewestRounds || performance.now() < endsAt); round++) {
    for (let step = 0; step < contenders.length; step++) {
      const index = (step + Math.abs(round)) % contenders.length
      const cost = await (contenders[index] as Contender).slice()
      if (!(cost > 0)) throw new Error(`${contenders[index]?.name} measured ${cost}: the run is invalid`)
      if (round >= 0) costs[index]?.push(cost)
    }
  }
  const baseline = costs[0] as number[]
  return contenders.map(({ name }, index) => {
    const own = costs[index] as number[]
    const ratios = own.map((cost, round) => cost / (baseline[round] as number))
    return { name, cost: quantile(own, 0.5), ...summarize(ratios) }
  })
}

/**
 * Measures contenders that are restarted several times, because the compiled code and heap of one process affect the result more
 * than noise does. Returns medians and quartiles over the generations.
 *
 * @param maxMs time after which no new generation begins, in milliseconds, unless fewer than five were measured
 */
export async function measureGenerations(
  start: () => Promise<Generation>,
  { generations, rounds, maxMs }: { readonly generations: number; readonly rounds: number; readonly maxMs: number },
): Promise<readonly PairedResult[]> {
  const endsAt = performance.now() + maxMs
  const runs: (readonly PairedResult[])[] = []
  while (runs.length < generations && (runs.length < fewestRounds || performance.now() < endsAt)) {
    const { contenders, close } = await start()
    try {
      runs.push(await measurePaired(contenders, rounds))
    } finally {
      await close()
    }
  }
  return (runs[0] ?? []).map(({ name }, index) => {
    const results = runs.map((run) => run[index] as PairedResult)
    const costs = results.map(({ cost }) => cost)
    return { name, cost: quantile(costs, 0.5), ...summarize(results.map(({ ratio }) => ratio)) }
  })
}

/** Median and quartiles of ratios. */
export function summarize(ratios: readonly number[]): Ratio {
  return { ratio: quantile(ratios, 0.5), spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)] }
}

/** The p-quantile of the values, interpolated. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * p
  const low = sorted[Math.floor(position)] ?? Number.NaN
  const high = sorted[Math.ceil(position)] ?? Number.NaN
  return low + (high - low) * (position - Math.floor(position))
}
