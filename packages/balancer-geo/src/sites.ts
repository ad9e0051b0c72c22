import type { Coordinates } from './coordinates.ts'

/** Mean radius of the Earth (IUGG). */
const earthRadiusKm = 6_371.0088

/** Most sites: each request is compared with all of them. What is further from all joins the nearest. */
const maxSites = 64

/** A point on the unit sphere: the greater the scalar product of two, the nearer they are. */
interface Point {
  readonly x: number
  readonly y: number
  readonly z: number
}

/** A place where instances are. */
export interface Site extends Point {
  /** The same for the same place. */
  readonly name: string
}

/** Gathers places into sites: a place belongs to one that is not further than `toleranceKm`, or begins its own. */
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

/** The site that is nearest to a place; there must be one. */
export function nearestSite(sites: readonly Site[], place: Coordinates): Site {
  const point = toPoint(place)
  return sites.reduce((best, site) => (nearness(site, point) > nearness(best, point) ? site : best))
}

/** Sorts sites by their distance to a place, again and again, into the same array. */
export class SiteRanking {
  readonly #sites: readonly (Site | undefined)[]
  readonly #order: Uint32Array
  readonly #nearness: Float64Array

  /** @param sites `undefined` for what is nobody knows where: it comes last */
  constructor(sites: readonly (Site | undefined)[]) {
    this.#sites = sites
    this.#order = new Uint32Array(sites.length)
    this.#nearness = new Float64Array(sites.length)
  }

  /** Indices of the sites, the nearest first; valid until the next call. By insertion: sites are few, and nothing is allocated. */
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
