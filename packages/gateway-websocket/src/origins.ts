import { invalidError } from '@sd/core'

/** Scheme, host, possibly a port; the first label of the host may be a star. */
const pattern = /^[a-z][a-z\d+.-]*:\/\/(?:\*\.)?(?:[a-z\d](?:[a-z\d.-]*[a-z\d])?|\[[\da-f:.]+\])(?::\d{1,5})?$/

/** A list of origins of browsers. */
export class Origins {
  readonly #exact = new Set<string>()
  readonly #suffixes: (readonly [scheme: string, suffix: string])[] = []

  /** @throws SdError `SD_INVALID` that names the entry, below `path` */
  constructor(origins: readonly unknown[], path: string) {
    for (const [index, origin] of origins.entries()) {
      const text = typeof origin === 'string' ? origin.toLowerCase() : ''
      if (!pattern.test(text)) throw invalidError(`${path}[${index}]`, origin, 'an origin, such as https://shop.example')
      const [scheme = '', host = ''] = text.split('://')
      if (host.startsWith('*')) this.#suffixes.push([`${scheme}://`, host.slice(1)])
      else this.#exact.add(text)
    }
  }

  has(origin: string): boolean {
    const text = origin.toLowerCase()
    if (this.#exact.has(text)) return true
    if (!pattern.test(text) || text.includes('*')) return false
    return this.#suffixes.some(([scheme, suffix]) => text.startsWith(scheme) && text.endsWith(suffix))
  }
}
