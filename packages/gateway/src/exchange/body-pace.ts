import type { MinBodyRate } from '../table/table.ts'

/** How often the bodies are looked at, in milliseconds. */
const checkMs = 250

/** A request body that is arriving. */
export interface PacedBody {
  /** Bytes that have arrived. */
  readonly bytes: number
  /** Whether the gateway does not read it at the moment. */
  readonly isPaused: boolean
  /** It arrives too slowly. */
  onSlow(): void
}

interface Pace {
  readonly rate: Required<MinBodyRate>
  /** Bytes at the start of the current window. */
  bytes: number
  /** How long the window has lasted, in milliseconds, without the time in which the gateway did not read. */
  elapsedMs: number
}

/** Measures how fast the request bodies of a gateway arrive, with one timer for all of them. */
export class BodyPaces {
  readonly #paces = new Map<PacedBody, Pace>()
  #timer: NodeJS.Timeout | undefined
  #checkedAt = 0

  /** Begins with a body. */
  add(body: PacedBody, rate: Required<MinBodyRate>): void {
    if (rate.bytesPerSecond === 0) return
    this.#paces.set(body, { rate, bytes: 0, elapsedMs: 0 })
    if (this.#timer) return
    this.#checkedAt = performance.now()
    this.#timer = setInterval(() => this.#check(), checkMs).unref()
  }

  /** A body is complete, or no longer wanted. */
  delete(body: PacedBody): void {
    this.#paces.delete(body)
  }

  #check(): void {
    const now = performance.now()
    // A process that stood still has not read.
    const stepMs = Math.min(now - this.#checkedAt, 2 * checkMs)
    this.#checkedAt = now
    for (const [body, pace] of this.#paces) {
      if (body.isPaused) continue
      pace.elapsedMs += stepMs
      if (pace.elapsedMs < pace.rate.windowMs) continue
      const least = (pace.rate.bytesPerSecond * pace.elapsedMs) / 1_000
      if (body.bytes - pace.bytes < least) {
        this.#paces.delete(body)
        body.onSlow()
      } else {
        pace.bytes = body.bytes
        pace.elapsedMs = 0
      }
    }
    if (this.#paces.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
