import { BoundedMap, type CallContext } from '@sd/core'
import { createKindFinder } from '../call/call-kind.ts'

/** Kinds of requests that are told apart: the one not seen for longest is forgotten first. */
const maxKinds = 1_000
/** Kinds that were not seen are forgotten, in milliseconds. */
const idleMs = 600_000

/** How long each kind of request of one service usually takes until the head of its response. */
export interface UsualTimes {
  /** Learns from a response. @param now by `performance.now()` */
  learn(call: CallContext, latencyMs: number, now: number): void
  /** The usual time of a call's kind, in milliseconds; `undefined` before the first response. */
  of(call: CallContext): number | undefined
}

/**
 * Makes an empty memory. A caller's own time limit says nothing of an instance unless such requests are usually answered within it: the time of
 * others, which may be quicker, is no measure.
 */
export function createUsualTimes(): UsualTimes {
  const kinds = new BoundedMap<string, { usualMs: number }>({ maxEntries: maxKinds, idleMs })
  const findKind = createKindFinder()
  return {
    learn(call, latencyMs, now) {
      const kind = findKind(call)
      const known = kinds.get(kind, now)
      // A quarter up and a sixteenth down, as endpoints do.
      if (known) known.usualMs += (latencyMs - known.usualMs) * (latencyMs > known.usualMs ? 0.25 : 0.0625)
      else kinds.set(kind, { usualMs: latencyMs })
    },
    of: (call) => kinds.get(findKind(call))?.usualMs,
  }
}
