import type { Endpoint, EndpointView } from '@sd/core'
import { hashText, mixBits } from './hash.ts'

/** Number of points per endpoint, regardless of its weight. */
const pointsPerEndpoint = 150
/** Maximum number of points of a ring, unless there are more endpoints. Building it takes about 10 ms. */
const maxPoints = 131_072
/** Planned number of points. Which endpoints have fewer points depends on their hashes, so the total varies by about 1 %. */
const plannedPoints = 0.97 * maxPoints
/** Combines a hash and an owner in one number: 32 bits of hash and 21 bits of owner fill a double's 53 bits. */
const ownerRange = 2 ** 21
/** 2^32 divided by the golden ratio, odd. Its multiples spread over the circle. */
const goldenRatio = 0x9e3779b1
/** Seed of the hash that orders endpoints when not all can have 150 points; any number other than the one above. */
const rankSeed = 0x85ebca6b

/** Sorted points on the 32-bit circle. */
export interface HashRing {
  /** The endpoints; `owners` has their indices. */
  readonly endpoints: readonly Endpoint[]
  /** Number of points of each endpoint. */
  readonly counts: Uint32Array
  /** Positions of the points, ascending. */
  readonly hashes: Uint32Array
  /** Index of the endpoint of each point. */
  readonly owners: Uint32Array
  /** For each prefix of a hash, the first point at or after the lowest hash with it; about one entry per point. */
  readonly starts: Uint32Array
  /** Number of bits by which a hash is shifted to index `starts`. */
  readonly shift: number
}

/**
 * Builds the ring: 150 points for each endpoint of positive weight, fewer if that exceeds 131,072 in total. Point k of
 * an endpoint is a hash of its key and k only, so all clients agree, and other endpoints never move it. A weight changes no
 * point: it is applied when a key is placed.
 *
 * @param previous the previous ring; points of endpoints that keep their number are merged with the new ones instead of
 *   created again
 */
export function createHashRing(view: EndpointView, previous?: HashRing): HashRing {
  const { endpoints } = view
  const counts = countPoints(view)
  if (previous && isSame(previous, endpoints, counts)) return previous
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
    // A seed of 64 bits. With 32 bits, two of thousands of endpoints would share most of their points.
    const seed = hashText(endpoint.key)
    const secondSeed = hashText(endpoint.key, goldenRatio)
    for (let index = 0; index < (counts[owner] as number); index++) {
      const hash = mixBits(seed ^ mixBits(secondSeed + Math.imul(index, goldenRatio)))
      made[position++] = hash * ownerRange + owner
    }
  }
  made.sort()
  const points = { hashes: new Uint32Array(total), owners: new Uint32Array(total) }
  merge(points, made, previous, kept)
  orderEqualPoints(points, endpoints)
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

/** Builds an index of search ranges. A binary search over all points would miss the cache at each step. */
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

/**
 * Each endpoint has 150 points while they fit. Beyond that, endpoints are halved, quartered and so on, one after the other
 * in the order of a hash of their keys, so that one more endpoint changes the number of only a few others.
 */
function countPoints({ endpoints, weights }: EndpointView): Uint32Array {
  const used = weights.reduce((sum, weight) => sum + (weight > 0 ? 1 : 0), 0)
  const level = Math.max(0, Math.log2((used * pointsPerEndpoint) / plannedPoints))
  const halvings = Math.floor(level)
  // Halving a share f of the endpoints removes f/2 of the points. 2^-(level - halvings) of them must remain.
  const halved = 2 * (1 - 2 ** (halvings - level))
  return Uint32Array.from(weights, (weight, index) => {
    if (!(weight > 0)) return 0
    if (level === 0) return pointsPerEndpoint
    const more = hashText((endpoints[index] as Endpoint).key, rankSeed) / 2 ** 32 < halved ? 1 : 0
    return Math.max(1, Math.floor(pointsPerEndpoint / 2 ** (halvings + more)))
  })
}

function isSame(previous: HashRing, endpoints: readonly Endpoint[], counts: Uint32Array): boolean {
  return (
    previous.endpoints.length === endpoints.length &&
    endpoints.every((endpoint, index) => previous.endpoints[index] === endpoint && previous.counts[index] === counts[index])
  )
}

/** Maps each endpoint of the previous ring to its current index, or -1 if it was removed or has another number of points. */
function mapKept(previous: HashRing, endpoints: readonly Endpoint[], counts: Uint32Array): Int32Array {
  const indices = new Map(endpoints.map((endpoint, index) => [endpoint, index]))
  return Int32Array.from(previous.endpoints, (endpoint, before) => {
    const now = indices.get(endpoint)
    return now !== undefined && counts[now] === previous.counts[before] ? now : -1
  })
}

/** Orders points at the same place by the keys of their endpoints. By the order of the list, two clients could disagree. */
function orderEqualPoints({ hashes, owners }: Pick<HashRing, 'hashes' | 'owners'>, endpoints: readonly Endpoint[]): void {
  for (let index = 1; index < hashes.length; index++) {
    for (let at = index; at > 0 && hashes[at] === hashes[at - 1]; at--) {
      const [before, owner] = [owners[at - 1] as number, owners[at] as number]
      if ((endpoints[before] as Endpoint).key <= (endpoints[owner] as Endpoint).key) break
      owners[at - 1] = owner
      owners[at] = before
    }
  }
}

/** Merges the kept points of the previous ring with the new ones. */
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
