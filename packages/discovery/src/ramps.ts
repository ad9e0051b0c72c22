import type { Endpoint } from '@sd/core'

/** An endpoint that is new or back has at least this share of its weight (Envoy's default `min_weight_percent`). */
const minShare = 0.1
/** How often weights follow, at most and at least, in milliseconds. A view costs O(n), and what is picked from it as well. */
const minStepMs = 100
const maxStepMs = 1_000
/** Steps in a ramp, between those limits. */
const steps = 100

/** How weights grow. */
export interface RampSettings {
  /** Time from an endpoint's first sight to its full weight, in milliseconds; 0 for none. */
  readonly slowStartMs: number
  /** 1 grows evenly; more grows quickly at first. */
  readonly slowStartAggression: number
}

/** Options of {@link createRamps}. */
export interface RampsOptions {
  /** What is in effect now. */
  readonly settings: () => RampSettings
  /** Builds the view anew, because weights have changed. */
  readonly onStep: () => void
}

/** Lets the weights of endpoints grow that are new, or that come back after an ejection. */
export interface Ramps {
  /** Share of its weight that an endpoint has now: slow start × recovery. */
  share(endpoint: Endpoint): number
  /** An endpoint is back: its weight grows from now on for `rampMs`, or is there at once if that is 0. */
  recover(endpoint: Endpoint, rampMs: number): void
  /** Sees to the next step, if one of these endpoints has not all of its weight. */
  follow(endpoints: readonly Endpoint[]): void
  /** Ends it. */
  close(): void
}

interface Ramp {
  readonly since: number
  readonly durationMs: number
}

const noRamps: readonly Ramp[] = []

/**
 * Envoy's slow start: weight × max(10 %, t ^ (1 / aggression)), where t is the part of the ramp that has passed. Endpoints of the first list
 * are not new: it is the client that is.
 */
export function createRamps({ settings, onStep }: RampsOptions): Ramps {
  const recoveries = new WeakMap<Endpoint, Ramp>()
  /** Until the first list was followed nobody is new. */
  let startedAt = Number.POSITIVE_INFINITY
  let timer: ReturnType<typeof setTimeout> | undefined

  function grown({ since, durationMs }: Ramp): number {
    const passed = (performance.now() - since) / durationMs
    return passed >= 1 ? 1 : Math.max(minShare, passed ** (1 / settings().slowStartAggression))
  }

  /** The ramps of an endpoint, those that are over included. */
  function rampsOf(endpoint: Endpoint): readonly Ramp[] {
    const recovery = recoveries.get(endpoint)
    const { slowStartMs } = settings()
    const isNew = slowStartMs > 0 && endpoint.since > startedAt
    if (!isNew) return recovery ? [recovery] : noRamps
    const slowStart = { since: endpoint.since, durationMs: slowStartMs }
    return recovery ? [slowStart, recovery] : [slowStart]
  }

  return {
    share: (endpoint) => rampsOf(endpoint).reduce((share, ramp) => share * grown(ramp), 1),
    recover(endpoint, rampMs) {
      if (rampMs > 0) recoveries.set(endpoint, { since: performance.now(), durationMs: rampMs })
      else recoveries.delete(endpoint)
    },
    follow(endpoints) {
      startedAt = Math.min(startedAt, performance.now())
      clearTimeout(timer)
      timer = undefined
      let shortest = Number.POSITIVE_INFINITY
      for (const endpoint of endpoints) {
        for (const ramp of rampsOf(endpoint)) if (grown(ramp) < 1) shortest = Math.min(shortest, ramp.durationMs)
      }
      if (shortest === Number.POSITIVE_INFINITY) return
      timer = setTimeout(onStep, Math.min(maxStepMs, Math.max(minStepMs, shortest / steps)))
      timer.unref?.()
    },
    close() {
      clearTimeout(timer)
    },
  }
}
