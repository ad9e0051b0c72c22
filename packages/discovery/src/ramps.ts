import type { Endpoint } from '@sd/core'

/** Minimum share of its weight for a new or restored endpoint (Envoy's default `min_weight_percent`). */
const minShare = 0.1
/**
 * Shortest and longest interval between weight updates, in milliseconds. Each update builds a view and its pickers, which
 * costs O(n).
 */
const minStepMs = 100
const maxStepMs = 1_000
/** Number of steps in a ramp, within those limits. */
const steps = 100

/** Shape of the growth of weights. */
export interface RampSettings {
  /** Time from an endpoint's first appearance to its full weight, in milliseconds; 0 disables slow start. */
  readonly slowStartMs: number
  /** 1 grows linearly; higher values grow faster at first. */
  readonly slowStartAggression: number
}

/** Options of {@link createRamps}. */
export interface RampsOptions {
  /** The settings currently in effect. */
  readonly settings: () => RampSettings
  /** Builds a new view, because weights have changed. */
  readonly onStep: () => void
}

/** Grows the weights of endpoints that are new or that return after an ejection. */
export interface Ramps {
  /** Share of its weight that an endpoint currently has: slow start × recovery. */
  share(endpoint: Endpoint): number
  /** Restores an endpoint: its weight grows for `rampMs`, or is complete at once if `rampMs` is 0. */
  recover(endpoint: Endpoint, rampMs: number): void
  /** Schedules the next step if one of these endpoints does not have its full weight. */
  follow(endpoints: readonly Endpoint[]): void
  /** Stops the timer. */
  close(): void
}

interface Ramp {
  readonly since: number
  readonly durationMs: number
}

const noRamps: readonly Ramp[] = []

/**
 * Envoy's slow start: weight × max(10 %, t ^ (1 / aggression)), where t is the elapsed part of the ramp. Endpoints of the
 * first list do not ramp up: the client is new, not they.
 */
export function createRamps({ settings, onStep }: RampsOptions): Ramps {
  const recoveries = new WeakMap<Endpoint, Ramp>()
  /** No endpoint is new until the first list is followed. */
  let startedAt = Number.POSITIVE_INFINITY
  let timer: ReturnType<typeof setTimeout> | undefined

  function grown({ since, durationMs }: Ramp): number {
    const passed = (performance.now() - since) / durationMs
    return passed >= 1 ? 1 : Math.max(minShare, passed ** (1 / settings().slowStartAggression))
  }

  /** The ramps of an endpoint, including finished ones. */
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
