/** One thing to measure: runs a slice of work and tells what a unit of it cost. */
export interface Contender {
  /** Name in the table. */
  readonly name: string
  /** Runs a slice; returns the cost of one unit, in any unit that all contenders share. @throws if anything failed: the run is refused */
  readonly slice: () => number | Promise<number>
}

/** A contender's cost beside the baseline's, slice by slice. */
export interface PairedResult {
  /** Name of the contender. */
  readonly name: string
  /** Median cost. */
  readonly cost: number
  /** Median of the ratios to the baseline's slice of the same round. */
  readonly ratio: number
  /** First and third quartile of those ratios. */
  readonly spread: readonly [number, number]
}

/**
 * Measures contenders side by side: in every round each runs one slice, in an order that turns, so that drift of the machine hits all
 * alike. The first contender is the baseline.
 */
export async function measurePaired(
  contenders: readonly Contender[],
  rounds: number,
  warmUp: number = 3,
): Promise<readonly PairedResult[]> {
  const costs = contenders.map((): number[] => [])
  for (let round = -warmUp; round < rounds; round++) {
    for (let step = 0; step < contenders.length; step++) {
      const index = (step + Math.abs(round)) % contenders.length
      const cost = await (contenders[index] as Contender).slice()
      if (!(cost > 0)) throw new Error(`${contenders[index]?.name} measured ${cost}: the run is refused`)
      if (round >= 0) costs[index]?.push(cost)
    }
  }
  const baseline = costs[0] as number[]
  return contenders.map(({ name }, index) => {
    const own = costs[index] as number[]
    const ratios = own.map((cost, round) => cost / (baseline[round] as number))
    return {
      name,
      cost: quantile(own, 0.5),
      ratio: quantile(ratios, 0.5),
      spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    }
  })
}

/** The p-quantile of the values, interpolated. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * p
  const low = sorted[Math.floor(position)] ?? Number.NaN
  const high = sorted[Math.ceil(position)] ?? Number.NaN
  return low + (high - low) * (position - Math.floor(position))
}
