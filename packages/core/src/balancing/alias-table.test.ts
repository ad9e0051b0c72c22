import { expect, test } from 'vitest'
import { createAliasTable, drawIndex } from './alias-table.ts'

test('each index has the share of its weight, and none is needed where all are the same', () => {
  const weights = Float64Array.of(0, 1, 2, 5, 0.5)
  const table = createAliasTable(weights)
  if (!table) throw new Error('weights differ')
  const steps = 85_000
  const counts = new Array<number>(weights.length).fill(0)
  for (let step = 0; step < steps; step++) {
    const index = drawIndex(table, (step / steps) * weights.length)
    counts[index] = (counts[index] as number) + 1
  }
  for (const [index, count] of counts.entries()) expect(count / steps).toBeCloseTo((weights[index] as number) / 8.5, 3)
  expect([createAliasTable(Float64Array.of(2, 2)), createAliasTable(Float64Array.of(0, 0))]).toEqual([undefined, undefined])
})
