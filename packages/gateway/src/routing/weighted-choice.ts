/**
 * Chooses in proportion to weights, as evenly as possible: after any number of choices each has its share within one. The
 * result depends on no random numbers. Smooth weighted round robin, as nginx has it.
 *
 * @param entries at least one, with a weight above 0
 */
export function createWeightedChoice<T>(entries: readonly { readonly value: T; readonly weight: number }[]): () => T {
  const used = entries.filter(({ weight }) => weight > 0)
  const only = used[0] as { readonly value: T }
  if (used.length === 1) return () => only.value
  const total = used.reduce((sum, { weight }) => sum + weight, 0)
  const credits = new Float64Array(used.length)
  return () => {
    let best = 0
    for (let index = 0; index < used.length; index++) {
      credits[index] = (credits[index] as number) + (used[index] as { weight: number }).weight
      if ((credits[index] as number) > (credits[best] as number)) best = index
    }
    credits[best] = (credits[best] as number) - total
    return (used[best] as { value: T }).value
  }
}

/** Selects a share of the requests, as evenly as possible. @param percent from 0 to 100 */
export function createSampler(percent: number): () => boolean {
  let credit = 0
  return () => {
    credit += percent
    if (credit < 100) return false
    credit -= 100
    return true
  }
}
