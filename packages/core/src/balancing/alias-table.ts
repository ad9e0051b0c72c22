/** Table to draw an index in proportion to its weight, in constant time. */
export interface AliasTable {
  /** Share of column i that belongs to index i; the rest belongs to `alias[i]`. */
  readonly threshold: Float64Array
  /** Index that owns the remainder of each column. */
  readonly alias: Uint32Array
}

/**
 * Creates Vose's alias table in O(n). Returns `undefined` if all weights are equal, because no table is needed then.
 *
 * @see https://www.keithschwarz.com/darts-dice-coins/
 */
export function createAliasTable(weights: Float64Array): AliasTable | undefined {
  const { length } = weights
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total === 0 || weights.every((weight) => weight === weights[0])) return undefined
  const threshold = weights.map((weight) => (weight * length) / total)
  const alias = new Uint32Array(length)
  const small: number[] = []
  const large: number[] = []
  for (const [index, share] of threshold.entries()) (share < 1 ? small : large).push(index)
  while (small.length > 0 && large.length > 0) {
    const less = small.pop() as number
    const more = large.pop() as number
    alias[less] = more
    const rest = (threshold[more] as number) + (threshold[less] as number) - 1
    threshold[more] = rest
    if (rest < 1) small.push(more)
    else large.push(more)
  }
  // The remaining entries differ from 1 only by rounding.
  for (const index of [...small, ...large]) threshold[index] = 1
  return { threshold, alias }
}

/** Returns the index at `position`, which is at least 0 and below the length of the table. */
export function drawIndex({ threshold, alias }: AliasTable, position: number): number {
  const column = Math.floor(position)
  return position - column < (threshold[column] as number) ? column : (alias[column] as number)
}
