import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Coordinates } from './coordinates.ts'
import { gatherSites, nearestSite, SiteRanking } from './sites.ts'

const place = fc.record({
  latitude: fc.double({ min: -90, max: 90, noNaN: true }),
  longitude: fc.double({ min: -180, max: 180, noNaN: true }),
})

/** Great-circle distance by the haversine formula. */
function distanceKm(a: Coordinates, b: Coordinates): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180
  const half = (from: number, to: number): number => Math.sin(radians(to - from) / 2) ** 2
  const parallels = Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude))
  const haversine = half(a.latitude, b.latitude) + parallels * half(a.longitude, b.longitude)
  return 2 * 6_371.0088 * Math.asin(Math.sqrt(Math.min(1, haversine)))
}

function placeOf(name: string): Coordinates {
  const [latitude, longitude] = name.split(',').map(Number)
  return { latitude: latitude ?? 0, longitude: longitude ?? 0 }
}

test('a place is within the tolerance of its site, and sites are further apart', () => {
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 10_000 }), (places, toleranceKm) => {
      const sites = gatherSites(places, toleranceKm)
      for (const one of places) {
        expect(distanceKm(one, placeOf(nearestSite(sites, one).name))).toBeLessThan(toleranceKm + 0.01)
      }
      for (const [index, { name }] of sites.entries()) {
        for (const other of sites.slice(index + 1)) {
          expect(distanceKm(placeOf(name), placeOf(other.name))).toBeGreaterThan(toleranceKm - 0.01)
        }
      }
    }),
  )
})

test('sites are ranked by distance, repeatedly', () => {
  fc.assert(
    fc.property(fc.array(place, { maxLength: 20 }), fc.array(place, { minLength: 1, maxLength: 3 }), (places, origins) => {
      const sites = gatherSites(places, 50)
      const ranking = new SiteRanking([undefined, ...sites])
      for (const origin of origins) {
        const order = [...ranking.rank(origin)]
        expect(order.at(-1)).toBe(0)
        expect(new Set(order).size).toBe(sites.length + 1)
        const distances = order.slice(0, -1).map((index) => distanceKm(origin, placeOf(sites[index - 1]?.name ?? '')))
        for (const [index, distance] of distances.slice(1).entries()) {
          expect(distance).toBeGreaterThan((distances[index] as number) - 0.01)
        }
      }
    }),
  )
})

test('there are at most 64 sites, and other places join the nearest', () => {
  const places = Array.from({ length: 100 }, (_, index) => ({ latitude: 0, longitude: index }))
  const sites = gatherSites(places, 1)
  expect(sites).toHaveLength(64)
  expect(nearestSite(sites, { latitude: 0, longitude: 99 })).toBe(sites[63])
})
