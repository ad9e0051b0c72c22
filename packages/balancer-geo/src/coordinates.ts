import { checkKnownKeys, checkNumber, checkObject, type ServiceInstance } from '@sd/core'

/** A place on Earth. */
export interface Coordinates {
  /** Latitude in degrees, from -90 (south) to 90 (north). */
  readonly latitude: number
  /** Longitude in degrees, from -180 (west) to 180 (east). */
  readonly longitude: number
}

/** Maps addresses to places. */
export interface GeoLookup {
  /**
   * Returns the place of an IP address, or `undefined` if it is unknown. Runs at picks: it must be fast and synchronous,
   * and must not throw.
   */
  lookup(address: string): Coordinates | undefined
}

/** Returns `value` if it has valid coordinates; otherwise throws `SD_INVALID`. */
export function checkCoordinates(field: string, value: Coordinates): Coordinates {
  checkKnownKeys(field, checkObject(field, value), ['latitude', 'longitude'])
  return {
    latitude: checkNumber(`${field}.latitude`, value.latitude, { min: -90, max: 90 }),
    longitude: checkNumber(`${field}.longitude`, value.longitude, { min: -180, max: 180 }),
  }
}

/** Place of an instance: by its metadata `geo.latitude` and `geo.longitude` in degrees, otherwise by its address. */
export function coordinatesOf({ metadata, address }: ServiceInstance, lookup: GeoLookup | undefined): Coordinates | undefined {
  const latitude = parseDegrees(metadata['geo.latitude'], 90)
  const longitude = parseDegrees(metadata['geo.longitude'], 180)
  return latitude === undefined || longitude === undefined ? lookup?.lookup(address) : { latitude, longitude }
}

function parseDegrees(text: string | undefined, max: number): number | undefined {
  const degrees = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  return Math.abs(degrees) <= max ? degrees : undefined
}
