import type { Endpoint, EndpointView } from '@sd/core'
import { hashText, mixBits } from './hash.ts'

/** Points of an endpoint of average weight. */
const pointsPerEndpoint = 150
/** Most points of a ring, unless there are more endpoints. Building that many takes some 10 ms. */
const maxPoints = 131_072
/** Point counts change in steps of this factor, so that they stay as they are when an average moves a little. */
const step = 7 / 8
/** A hash and an owner in one number: 32 bits of hash above 21 bits of owner fill a double's 53. */
const ownerRange = 2 ** 21

/** Sorted points on the 32-bit circle. */
export interface HashRing {
  /** Whose points these are; `owners` index it. */
  readonly endpoints: readonly Endpoint[]
  /** Number of points by endpoint. */
  readonly counts: Uint32Array
  /** Position of each point, ascending. */
  readonly hashes: Uint32Array
  /** Index of the endpoint of each point. */
  readonly owners: Uint32Array
  /** By the top bits of a hash, the first point at or after the lowest hash that has them; about one entry per point. */
  readonly starts: Uint32Array
  /** How far a hash is shifted for `starts`. */
  readonly shift: number
}

/**
 * Lays the ring out: 150 points for an endpoint of average weight, in proportion for others, fewer for all where it would be more
 * than 131,072 in total. Point k of an endpoint depends on its key and k alone, so all clients agree, and a change moves only the
 * keys that it must.
 *
 * @param previous the ring before: points of endpoints that kept their count are taken over and merged, not made and sorted anew
 */
export function createHashRing(view: EndpointView, previous?: HashRing): HashRing {
  const { endpoints } = view
  const counts = countPoints(view.weights)
  const kept = previous ? mapKept(previous, endpoints, counts) : undefined
  const isKept = new Uint8Array(endpoints.length)
  let keptPoints = 0
  for (const [before, now] of kept?.entries() ?? []) {
    if (now < 0) continue
    isKept[now] = 1
    keptPoints += previous?.counts[before] as number
  }
  const total = counts.reduce((sum, count) => sum + count, 0)
  const made = new Float64Array(total - keptPoints)
  let position = 0
  for (const [owner, endpoint] of endpoints.entries()) {
    if (isKept[owner]) continue
    const seed = hashText(endpoint.key)
    for (let index = 0; index < (counts[owner] as number); index++) {
      made[position++] = mixBits(seed + Math.imul(index, 0x9e3779b1)) * ownerRange + owner
    }
  }
  made.sort()
  const points = { hashes: new Uint32Array(total), owners: new Uint32Array(total) }
  merge(points, made, previous, kept)
  return { endpoints, counts, ...points, ...indexPoints(points.hashes) }
}

/** Index of the first point at or after `hash`, around the circle. The ring must not be empty. */
export function findPoint(ring: HashRing, hash: number): number {
  const { hashes, starts, shift } = ring
  const bucket = hash >>> shift
  let low = starts[bucket] as number
  let high = starts[bucket + 1] as number
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((hashes[middle] as number) < hash) low = middle + 1
    else high = middle
  }
  return low === hashes.length ? 0 : low
}

/** Where the search for a hash begins and ends: binary search over all points would miss the cache at each of its steps. */
function indexPoints(hashes: Uint32Array): Pick<HashRing, 'starts' | 'shift'> {
  const bits = Math.max(1, Math.ceil(Math.log2(Math.max(2, hashes.length))))
  const shift = 32 - bits
  const buckets = 2 ** bits
  const starts = new Uint32Array(buckets + 1)
  let position = 0
  for (let bucket = 0; bucket < buckets; bucket++) {
    while (position < hashes.length && (hashes[position] as number) >>> shift < bucket) position++
    starts[bucket] = position
  }
  starts[buckets] = hashes.length
  return { starts, shift }
}

function countPoints(weights: Float64Array): Uint32Array {
  const positive = weights.filter((weight) => weight > 0)
  const totalWeight = positive.reduce((sum, weight) => sum + weight, 0)
  const average = totalWeight / positive.length
  const equal = positive.every((weight) => weight === positive[0])
  const wanted = pointsPerEndpoint / (equal ? average : quantize(average))
  const perWeight = wanted * totalWeight <= maxPoints ? wanted : wanted * quantize(maxPoints / (wanted * totalWeight))
  return Uint32Array.from(weights, (weight) => (weight > 0 ? Math.max(1, Math.round(weight * perWeight)) : 0))
}

/** The largest power of `step` that is not over `value`. */
function quantize(value: number): number {
  return step ** Math.ceil(Math.log(value) / Math.log(step) - 1e-9)
}

/** For each endpoint of the previous ring its index now, or -1 if it is gone or has another number of points. */
function mapKept(previous: HashRing, endpoints: readonly Endpoint[], counts: Uint32Array): Int32Array {
  const indices = new Map(endpoints.map((endpoint, index) => [endpoint, index]))
  return Int32Array.from(previous.endpoints, (endpoint, before) => {
    const now = indices.get(endpoint)
    return now !== undefined && counts[now] === previous.counts[before] ? now : -1
  })
}

/** Fills the points in: those of the ring before that are kept, and those that were made. */
function merge(
  { hashes, owners }: Pick<HashRing, 'hashes' | 'owners'>,
  made: Float64Array,
  previous: HashRing | undefined,
  kept: Int32Array | undefined,
): void {
  let from = 0
  let position = 0
  function place(hash: number, owner: number): void {
    hashes[position] = hash
    owners[position++] = owner
  }
  function placeMadeUpTo(limit: number): void {
    while (from < made.length) {
      const point = made[from] as number
      const hash = Math.floor(point / ownerRange)
      if (hash > limit) return
      place(hash, point % ownerRange)
      from++
    }
  }
  if (previous && kept) {
    for (let index = 0; index < previous.hashes.length; index++) {
      const owner = kept[previous.owners[index] as number] as number
      if (owner < 0) continue
      const hash = previous.hashes[index] as number
      placeMadeUpTo(hash)
      place(hash, owner)
    }
  }
  placeMadeUpTo(Number.POSITIVE_INFINITY)
}
