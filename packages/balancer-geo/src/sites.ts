import type { Coordinates } from './coordinates.ts'

/** Mean radius of the Earth (IUGG). */
const earthRadiusKm = 6_371.0088

/** Maximum number of sites, because each request is compared with all. Places further from all of them join the nearest one. */
const maxSites = 64

/** A point on the unit sphere. The greater the scalar product of two points, the nearer they are. */
interface Point {
  readonly x: number
  readonly y: number
  readonly z: number
}

/** A place with instances. */
export interface Site extends Point {
  /** Unique name of the place. */
  readonly name: string
}

/** Groups places into sites: a place joins a site within `toleranceKm`, or starts its own. */
export function gatherSites(places: Iterable<Coordinates>, toleranceKm: number): readonly Site[] {
  const sites: Site[] = []
  const tolerance = Math.cos(Math.min(Math.PI, toleranceKm / earthRadiusKm))
  for (const place of places) {
    if (sites.length === maxSites) break
    const point = toPoint(place)
    if (sites.some((site) => nearness(site, point) >= tolerance)) continue
    sites.push({ name: `${place.latitude},${place.longitude}`, ...point })
  }
  return sites
}

/** The site nearest to a place. There must be at least one. */
export function nearestSite(sites: readonly Site[], place: Coordinates): Site {
  const point = toPoint(place)
  return sites.reduce((best, site) => (nearness(site, point) > nearness(best, point) ? site : best))
}

/** Sorts sites by their distance to a place, repeatedly, into the same array. */
export class SiteRanking {
  readonly #sites: readonly (Site | undefined)[]
  readonly #order: Uint32Array
  readonly #nearness: Float64Array

  /** @param sites the sites; `undefined` for an unknown location, which comes last */
  constructor(sites: readonly (Site | undefined)[]) {
    this.#sites = sites
    this.#order = new Uint32Array(sites.length)
    this.#nearness = new Float64Array(sites.length)
  }

  /**
   * Indices of the sites, nearest first; valid until the next call. An insertion sort: there are few sites, and nothing is
   * allocated.
   */
  rank(place: Coordinates): Uint32Array {
    const order = this.#order
    const nearnesses = this.#nearness
    const point = toPoint(place)
    for (let index = 0; index < order.length; index++) {
      const site = this.#sites[index]
      const near = site === undefined ? Number.NEGATIVE_INFINITY : nearness(site, point)
      nearnesses[index] = near
      let position = index
      for (; position > 0 && (nearnesses[order[position - 1] as number] as number) < near; position--) {
        order[position] = order[position - 1] as number
      }
      order[position] = index
    }
    return order
  }
}

function toPoint({ latitude, longitude }: Coordinates): Point {
  const parallel = Math.cos(radians(latitude))
  return {
    x: parallel * Math.cos(radians(longitude)),
    y: parallel * Math.sin(radians(longitude)),
    z: Math.sin(radians(latitude)),
  }
}

function nearness(a: Point, b: Point): number {
  return a.x * b.x + a.y * b.y + a.z * b.z
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180
}
