import type { Endpoint, EndpointView } from '@sd/core'
import { hashText, mixBits } from './hash.ts'

/** Points of an endpoint, whatever its weight. */
const pointsPerEndpoint = 150
/** Most points of a ring, unless there are more endpoints. Building that many takes some 10 ms. */
const maxPoints = 131_072
/** What is planned for: chance decides which endpoints have fewer points, so the total varies by about 1 %. */
const plannedPoints = 0.97 * maxPoints
/** A hash and an owner in one number: 32 bits of hash above 21 bits of owner fill a double's 53. */
const ownerRange = 2 ** 21
/** 2^32 divided by the golden ratio, odd: its multiples spread over the circle. */
const goldenRatio = 0x9e3779b1
/** Gives the hash by which endpoints are ordered when not all can have 150 points; any number that is not the one above. */
const rankSeed = 0x85ebca6b

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
 * Lays the ring out: 150 points for each endpoint of positive weight, fewer where it would be more than 131,072 in total. Point k of
 * an endpoint is a hash of its key and k alone, so all clients agree, and other endpoints never move it. A weight changes no point: it
 * is applied when a key is placed.
 *
 * @param previous the ring before: points of endpoints that kept their count are merged with the new ones, not made and sorted again
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
    // 64 bits of seed: with 32, two of thousands of endpoints would share most of their points.
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

/**
 * 150 points each while they fit. Beyond, endpoints have half as many, quarter and so on, one after the other in the order of a hash of
 * their keys: one more endpoint changes the number of a few others, never of all.
 */
function countPoints({ endpoints, weights }: EndpointView): Uint32Array {
  const used = weights.reduce((sum, weight) => sum + (weight > 0 ? 1 : 0), 0)
  const level = Math.max(0, Math.log2((used * pointsPerEndpoint) / plannedPoints))
  const halvings = Math.floor(level)
  // A share f of endpoints that are halved once more takes f/2 of the points away: 2^-(level - halvings) of them must stay.
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

/** For each endpoint of the previous ring its index now, or -1 if it was removed or has another number of points. */
function mapKept(previous: HashRing, endpoints: readonly Endpoint[], counts: Uint32Array): Int32Array {
  const indices = new Map(endpoints.map((endpoint, index) => [endpoint, index]))
  return Int32Array.from(previous.endpoints, (endpoint, before) => {
    const now = indices.get(endpoint)
    return now !== undefined && counts[now] === previous.counts[before] ? now : -1
  })
}

/** Points at one place are in the order of their endpoints' keys: with that of the list, two clients would disagree. */
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

/** Merges the points of the ring before that are kept with those that were made. */
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
