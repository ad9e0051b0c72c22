/**
 * Where the histories of a place are: `<place>-history`, each under the key of its entry. The place is a prefix, a folder
 * or an object of the backend, such as `/sd/config`. By this convention every tool finds a history, and no program reads
 * one as its configuration.
 */
export function historyPlaceOf(place: string): string {
  return `${place.replace(/\/+$/, '')}-history`
}
