/**
 * Where the histories of a place are: `<place>-history`, each under the key of its entry. The place is a prefix, a folder
 * or an object of the backend, such as `/sd/config`. Histories are found by everybody who follows this convention, and
 * beside the place, no program reads them as its configuration.
 */
export function historyPlaceOf(place: string): string {
  return `${place.replace(/\/+$/, '')}-history`
}
