import { createTestEndpoints, createTestView } from '@sd/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHashRing, findPoint } from './hash-ring.ts'

const ring = createHashRing(createTestView(createTestEndpoints([1, 1, 1])))
const { hashes } = ring

function last(): number {
  return hashes.at(-1) as number
}

test('finds a point at a hash; a hash after the last point wraps around to the first', () => {
  expect(findPoint(ring, 0)).toBe(0)
  for (const [index, hash] of hashes.entries()) {
    expect(findPoint(ring, hash)).toBe(index)
    expect(findPoint(ring, hash + 1)).toBe(index + 1 === hashes.length ? 0 : index + 1)
  }
  expect(findPoint(ring, last())).toBe(hashes.length - 1)
  expect(findPoint(ring, 2 ** 32 - 1)).toBe(0)
})

test('findPoint equals a linear search', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (hash) => {
      const found = hashes.findIndex((point) => point >= hash)
      expect(findPoint(ring, hash)).toBe(found === -1 ? 0 : found)
    }),
    { numRuns: 2_000, seed: 1 },
  )
})

test('endpoints share no more points than by chance', () => {
  const endpoints = createTestEndpoints(new Array<number>(840).fill(1))
  const many = createHashRing(createTestView(endpoints))
  expect(many.hashes.length).toBe(840 * 150)
  let equal = 0
  for (let index = 1; index < many.hashes.length; index++) if (many.hashes[index] === many.hashes[index - 1]) equal++
  // n²/2 pairs of 32-bit numbers: about two.
  expect(equal).toBeLessThan(12)
})

test('weights change no point, and a ring with the same endpoints is reused', () => {
  const endpoints = createTestEndpoints([1, 1, 1])
  const before = createHashRing(createTestView(endpoints, [1, 2, 3]))
  expect(createHashRing(createTestView(endpoints, [0.1, 65_535, 1]), before)).toBe(before)
  expect(createHashRing(createTestView(endpoints, [0, 1, 1]), before).counts).toEqual(Uint32Array.of(0, 150, 150))
})

test('the number of points is bounded, and one more endpoint changes that of only a few others', () => {
  const endpoints = createTestEndpoints(new Array<number>(5_001).fill(1))
  for (const size of [847, 848, 1_000, 1_695, 1_696, 3_000, 5_000]) {
    const now = createHashRing(createTestView(endpoints.slice(0, size)))
    const next = createHashRing(createTestView(endpoints.slice(0, size + 1)))
    expect(now.hashes.length).toBeLessThan(131_073)
    expect(now.hashes.length).toBeGreaterThan(131_072 * 0.87)
    const changed = now.counts.filter((count, index) => count !== next.counts[index])
    expect(changed.length).toBeLessThan(12)
  }
})

test('points at the same place are ordered by key, regardless of the order of the list', () => {
  const endpoints = createTestEndpoints(new Array<number>(840).fill(1))
  const one = createHashRing(createTestView(endpoints))
  const other = createHashRing(createTestView(endpoints.toReversed()))
  const place = ({ hashes, owners, endpoints: list }: typeof one) =>
    Array.from(hashes, (hash, index) => `${hash} ${list[owners[index] as number]?.key}`)
  expect(one.hashes.some((hash, index) => hash === one.hashes[index + 1])).toBe(true)
  expect(place(other)).toEqual(place(one))
})
