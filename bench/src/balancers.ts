import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createLocalityBalancer, createLowestLatencyBalancer, createNearestBalancer } from '@sd/balancer-geo'
import { createLeastActiveBalancer } from '@sd/balancer-least-active'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createStickyBalancer } from '@sd/balancer-sticky'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import type { Balancer, EndpointView } from '@sd/core'
import { createTestEndpoints, createTestView } from '@sd/testing'

/** Places of the endpoints of a view, in rotation. */
const places = [
  { region: 'eu-1', zone: 'eu-1a', latitude: 50.11, longitude: 8.68 },
  { region: 'eu-1', zone: 'eu-1b', latitude: 48.86, longitude: 2.35 },
  { region: 'us-1', zone: 'us-1a', latitude: 39.04, longitude: -77.49 },
  { region: 'ap-1', zone: 'ap-1a', latitude: 1.35, longitude: 103.82 },
] as const

/** The balancers of `@sd/balancer-geo`, with random picks within a group. */
export function createGeoBalancers(): readonly Balancer[] {
  const balancer = createRandomBalancer()
  const [{ region, zone, latitude, longitude }] = places
  return [
    createLocalityBalancer({ local: { region, zone }, balancer }),
    createNearestBalancer({ local: { latitude, longitude }, balancer }),
    createLowestLatencyBalancer({ balancer }),
  ]
}

/** All balancers. */
export function createBalancers(): readonly Balancer[] {
  return [
    createRandomBalancer(),
    createRoundRobinBalancer(),
    createWeightedRoundRobinBalancer(),
    createLeastActiveBalancer(),
    createConsistentHashBalancer(),
    createP2cBalancer(),
    createStickyBalancer({ balancer: createRandomBalancer() }),
    ...createGeoBalancers(),
  ]
}

/** Creates a view of endpoints in several places, with measured latencies. */
export function createMeasuredView(count: number): EndpointView {
  const endpoints = createTestEndpoints(new Array<number>(count).fill(1))
  for (const [index, endpoint] of endpoints.entries()) {
    const { region, zone, latitude, longitude } = places[index % places.length] as (typeof places)[number]
    const metadata = { 'geo.latitude': String(latitude), 'geo.longitude': String(longitude) }
    endpoint.update({ ...endpoint.instance, locality: { region, zone }, metadata })
    endpoint.release({ ok: true, latencyMs: 10 + index * 0.5 })
  }
  return createTestView(endpoints)
}
