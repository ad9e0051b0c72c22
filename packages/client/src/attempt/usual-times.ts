import { BoundedMap, type CallContext } from '@sd/core'
import { createKindFinder } from '../call/call-kind.ts'

/** Maximum number of request kinds; the least recently seen is forgotten first. */
const maxKinds = 1_000
/** A kind that was not seen for this time is forgotten, in milliseconds. */
const idleMs = 600_000

/** Usual time of each kind of request of one service until the head of its response. */
export interface UsualTimes {
  /** Learns from a response. @param now by `performance.now()` */
  learn(call: CallContext, latencyMs: number, now: number): void
  /** The usual time of a call's kind, in milliseconds; `undefined` before the first response. */
  of(call: CallContext): number | undefined
}

/**
 * Creates an empty memory. A caller's own time limit says something about an instance only if such requests usually
 * finish within it. Other kinds of requests may be faster, so their times can't be used.
 */
export function createUsualTimes(): UsualTimes {
  const kinds = new BoundedMap<string, { usualMs: number }>({ maxEntries: maxKinds, idleMs })
  const findKind = createKindFinder()
  return {
    learn(call, latencyMs, now) {
      const kind = findKind(call)
      const known = kinds.get(kind, now)
      // A quarter up and a sixteenth down, as for endpoints.
      if (known) known.usualMs += (latencyMs - known.usualMs) * (latencyMs > known.usualMs ? 0.25 : 0.0625)
      else kinds.set(kind, { usualMs: latencyMs })
    },
    of: (call) => kinds.get(findKind(call))?.usualMs,
  }
}
