import { expect, test } from 'vitest'
import { createSpelling } from './spelling.ts'

test('a known spelling is adopted, at every level', () => {
  const spelling = createSpelling()
  spelling.learn({ poolSize: 1, a: { bC: 1 }, 'x-y': 1, xY: 1 })
  expect(spelling.adopt({ POOL_SIZE: 2, a: { 'b-c': 2, new: 1 }, A: { x: 1 }, X_Y: 3, xY: 4 })).toEqual({
    poolSize: 2,
    a: { bC: 2, new: 1, x: 1 },
    'x-y': 3,
    xY: 4,
  })
  expect(createSpelling().adopt({ a: 1 })).toEqual({ a: 1 })
})
