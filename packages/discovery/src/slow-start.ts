import type { Endpoint } from '@sd/core'

/** A new endpoint has at least this share of its weight (Envoy's default `min_weight_percent`). */
const minShare = 0.1
/** How often weights follow, at most and at least, in milliseconds. A view costs O(n), and what is picked from it as well. */
const minStepMs = 100
const maxStepMs = 1_000
/** Steps in a window, between those limits. */
const steps = 100

/** Options of {@link createSlowStart}. */
export interface SlowStartOptions {
  /** Time from an endpoint's first sight to its full weight, in milliseconds; 0 for none. */
  readonly windowMs: number
  /** 1 grows evenly; more grows quickly at first. */
  readonly aggression: number
  /** Builds the view anew, because weights have changed. */
  readonly onStep: () => void
}

/** Lets the weights of new endpoints grow. */
export interface SlowStart {
  /** Share of its weight that an endpoint has now, from 0.1 to 1. */
  share(endpoint: Endpoint): number
  /** Sees to the next step, if one of these endpoints has not all of its weight. */
  follow(endpoints: readonly Endpoint[]): void
  /** Ends it. */
  close(): void
}

/**
 * Envoy's slow start: weight × max(10 %, t ^ (1 / aggression)), where t is the part of the window that has passed. Endpoints of the first
 * list are not new: it is the client that is.
 */
export function createSlowStart({ windowMs, aggression, onStep }: SlowStartOptions): SlowStart {
  const stepMs = Math.min(maxStepMs, Math.max(minStepMs, windowMs / steps))
  let isFirst = true
  let startedAt = Number.NEGATIVE_INFINITY
  let timer: ReturnType<typeof setTimeout> | undefined

  function share({ since }: Endpoint): number {
    if (windowMs === 0 || since <= startedAt) return 1
    const passed = (performance.now() - since) / windowMs
    return passed >= 1 ? 1 : Math.max(minShare, passed ** (1 / aggression))
  }

  return {
    // Until the first list was followed all of its endpoints are old.
    share: (endpoint) => (isFirst ? 1 : share(endpoint)),
    follow(endpoints) {
      if (isFirst) startedAt = performance.now()
      isFirst = false
      clearTimeout(timer)
      timer = undefined
      if (!endpoints.some((endpoint) => share(endpoint) < 1)) return
      timer = setTimeout(onStep, stepMs)
      timer.unref?.()
    },
    close() {
      clearTimeout(timer)
    },
  }
}
