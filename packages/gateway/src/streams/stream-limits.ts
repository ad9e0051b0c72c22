import { type RateLimitDecision, type RateLimiter, SdError } from '@sd/core'
import { rateKey } from '../filters/limit-filters.ts'
import type { RouteSpec } from '../table/table.ts'

/** The limits of a route for connections and sessions. */
export class StreamLimits {
  readonly #route: string
  readonly #concurrency: number
  readonly #limiter: RateLimiter | undefined
  readonly #keyOf: (client: { readonly clientAddress: string; header(): undefined }) => string
  #open = 0

  constructor({ name, limits = {} }: RouteSpec, rateLimiters: Readonly<Record<string, RateLimiter>>) {
    const { concurrency = Number.POSITIVE_INFINITY, rate } = limits
    this.#route = name
    this.#concurrency = concurrency
    this.#limiter = rate && rateLimiters[rate.limiter]
    this.#keyOf = rateKey(rate?.key ?? 'client-address')
  }

  /** @returns a promise only for a limiter that is asked over the network @throws SdError `SD_REJECTED` */
  admit(clientAddress: string): undefined | Promise<undefined> {
    if (this.#open >= this.#concurrency) {
      throw new SdError('SD_REJECTED', `Route ${this.#route} has ${this.#concurrency} connections`, { origin: 'local' })
    }
    const limiter = this.#limiter
    if (!limiter) return undefined
    const key = this.#keyOf({ clientAddress, header: () => undefined })
    const decide = (decision: RateLimitDecision): undefined => {
      if (decision.allowed) return undefined
      throw new SdError('SD_REJECTED', `Route ${this.#route} is over the rate limit ${limiter.name}`, { origin: 'local' })
    }
    return limiter.tryAcquire ? decide(limiter.tryAcquire(key)) : limiter.acquire(key).then(decide)
  }

  /** @returns a function that is called once, at the end */
  enter(): () => void {
    this.#open++
    return () => {
      this.#open--
    }
  }
}
