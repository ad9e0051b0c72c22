/** Counts of the calls in a window. */
export interface CircuitCounts {
  /** Calls in the window. */
  readonly calls: number
  /** Failed calls. */
  readonly failed: number
  /** Slow calls, failed or not. */
  readonly slow: number
}

/** The latest calls of a closed circuit. */
export interface CircuitWindow {
  /** Adds a call that just ended. @returns the counts, in an object that is reused */
  add(failed: boolean, slow: boolean): CircuitCounts
  /** Empties the window. */
  reset(): void
}

const FAILED = 1
const SLOW = 2

/** Creates a window of the last `size` calls. */
export function createCountWindow(size: number): CircuitWindow {
  const ring = new Uint8Array(size)
  const counts = { calls: 0, failed: 0, slow: 0 }
  let next = 0
  return {
    add(failed, slow) {
      if (counts.calls === size) {
        const oldest = ring[next] ?? 0
        if (oldest & FAILED) counts.failed--
        if (oldest & SLOW) counts.slow--
      } else {
        counts.calls++
      }
      ring[next] = (failed ? FAILED : 0) | (slow ? SLOW : 0)
      if (failed) counts.failed++
      if (slow) counts.slow++
      next = next + 1 === size ? 0 : next + 1
      return counts
    },
    reset() {
      Object.assign(counts, { calls: 0, failed: 0, slow: 0 })
      next = 0
    },
  }
}

/** Number of parts of a time window. */
export const timeWindowParts = 10

/**
 * Creates a window of the last `durationMs` in ten parts: the current part and the nine before it. A call expires after
 * nine to ten tenths of the duration.
 */
export function createTimeWindow(durationMs: number): CircuitWindow {
  const partMs = durationMs / timeWindowParts
  const calls = new Uint32Array(timeWindowParts)
  const failures = new Uint32Array(timeWindowParts)
  const slows = new Uint32Array(timeWindowParts)
  const counts = { calls: 0, failed: 0, slow: 0 }
  let current = Math.floor(performance.now() / partMs)

  function forget(index: number): void {
    counts.calls -= calls[index] ?? 0
    counts.failed -= failures[index] ?? 0
    counts.slow -= slows[index] ?? 0
    calls[index] = failures[index] = slows[index] = 0
  }
  /** Advances to the current part and returns its index. */
  function advance(): number {
    const now = Math.floor(performance.now() / partMs)
    const from = Math.max(current + 1, now - timeWindowParts + 1)
    for (let part = from; part <= now; part++) forget(part % timeWindowParts)
    current = now
    return now % timeWindowParts
  }

  return {
    add(failed, slow) {
      const index = advance()
      calls[index] = (calls[index] ?? 0) + 1
      counts.calls++
      if (failed) {
        failures[index] = (failures[index] ?? 0) + 1
        counts.failed++
      }
      if (slow) {
        slows[index] = (slows[index] ?? 0) + 1
        counts.slow++
      }
      return counts
    },
    reset() {
      for (let index = 0; index < timeWindowParts; index++) forget(index)
    },
  }
}
