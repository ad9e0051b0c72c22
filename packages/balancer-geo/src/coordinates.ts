import { checkKnownKeys, checkNumber, checkObject, type ServiceInstance } from '@sd/core'

/** A place on Earth. */
export interface Coordinates {
  /** In degrees, from -90 (south) to 90 (north). */
  readonly latitude: number
  /** In degrees, from -180 (west) to 180 (east). */
  readonly longitude: number
}

/** Knows where addresses are. */
export interface GeoLookup {
  /** Where an IP address is, or `undefined` if that is not known. Runs at picks: quick, synchronous, must not throw. */
  lookup(address: string): Coordinates | undefined
}

/** Returns coordinates if they are some, else throws `SD_INVALID`. */
export function checkCoordinates(field: string, value: Coordinates): Coordinates {
  checkKnownKeys(field, checkObject(field, value), ['latitude', 'longitude'])
  return {
    latitude: checkNumber(`${field}.latitude`, value.latitude, { min: -90, max: 90 }),
    longitude: checkNumber(`${field}.longitude`, value.longitude, { min: -180, max: 180 }),
  }
}

/** Where an instance is: by its metadata `geo.latitude` and `geo.longitude` in degrees, else by its address. */
export function coordinatesOf({ metadata, address }: ServiceInstance, lookup: GeoLookup | undefined): Coordinates | undefined {
  const latitude = parseDegrees(metadata['geo.latitude'], 90)
  const longitude = parseDegrees(metadata['geo.longitude'], 180)
  return latitude === undefined || longitude === undefined ? lookup?.lookup(address) : { latitude, longitude }
}

function parseDegrees(text: string | undefined, max: number): number | undefined {
  const degrees = text === undefined || text.trim() === '' ? Number.NaN : Number(text)
  return Math.abs(degrees) <= max ? degrees : undefined
}
