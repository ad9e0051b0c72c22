import type { AdmissionPolicy, Permit } from '@sd/core'
import { createSeededRandom } from '@sd/testing'
import { vi } from 'vitest'

/** A service with several workers and one queue, and open-loop clients, in virtual time. */
export interface QueueingSetup {
  readonly workers: number
  /** Time for which one call occupies a worker. @param waiting number of calls in the queue */
  readonly serviceMs: (random: () => number, waiting: number) => number
  /** Calls per second, with random arrivals (Poisson). @param atMs virtual time */
  readonly offeredPerSecond: (atMs: number) => number
  readonly durationMs: number
  /** Calls before this time are not measured. */
  readonly warmUpMs: number
  /** A response after this time is useless to its caller. */
  readonly usefulMs: number
  readonly seed: number
  /** Creates the limit, in virtual time. Without it every call is admitted. */
  readonly createPolicy?: (random: () => number) => AdmissionPolicy
}

export interface QueueingResult {
  /** Useful responses per second. */
  readonly goodput: number
  /** Latency of all admitted calls, in milliseconds. */
  readonly p99Ms: number
  readonly rejectedShare: number
}

interface Call {
  readonly arrivedAt: number
  readonly permit: Permit | undefined
}

/** A call in progress, ordered by its end. */
interface Running extends Call {
  readonly endsAt: number
}

/** Runs the simulation with `performance` and intervals replaced by virtual time. */
export function simulateQueueing(setup: QueueingSetup): QueueingResult {
  let now = 0
  let interval: { readonly run: () => void; readonly everyMs: number; dueAt: number } | undefined
  vi.stubGlobal('performance', { now: () => now })
  vi.stubGlobal('setInterval', (run: () => void, everyMs: number) => {
    interval = { run, everyMs, dueAt: now + everyMs }
    return {}
  })
  vi.stubGlobal('clearInterval', () => {
    interval = undefined
  })
  try {
    const random = createSeededRandom(setup.seed)
    const policy = setup.createPolicy?.(random)
    const waiting: Call[] = []
    const running: Running[] = []
    const latencies: number[] = []
    let served = 0
    let useful = 0
    let offered = 0
    let rejected = 0
    let nextArrival = 0

    function start(call: Call): void {
      const endsAt = now + setup.serviceMs(random, waiting.length - served)
      const index = running.findIndex((other) => other.endsAt > endsAt)
      running.splice(index < 0 ? running.length : index, 0, { ...call, endsAt })
    }

    function arrive(): void {
      const counted = now >= setup.warmUpMs
      nextArrival = now - (Math.log(1 - random()) * 1_000) / setup.offeredPerSecond(now)
      const permit = policy?.tryAcquire()
      if (counted) offered++
      if (policy && !permit) {
        if (counted) rejected++
        return
      }
      const call = { arrivedAt: now, permit }
      if (running.length < setup.workers) start(call)
      else waiting.push(call)
    }

    function end({ arrivedAt, permit }: Running): void {
      const latencyMs = now - arrivedAt
      permit?.settle({ ok: true, latencyMs })
      if (now >= setup.warmUpMs) {
        latencies.push(latencyMs)
        if (latencyMs <= setup.usefulMs) useful++
      }
      const next = waiting[served]
      if (!next) return
      served++
      start(next)
    }

    function passTo(at: number): void {
      while (interval && interval.dueAt <= at) {
        now = interval.dueAt
        interval.dueAt += interval.everyMs
        interval.run()
      }
      now = at
    }

    while (now < setup.durationMs) {
      const first = running[0]
      if (first && first.endsAt <= nextArrival) {
        running.shift()
        passTo(first.endsAt)
        end(first)
      } else {
        passTo(nextArrival)
        arrive()
      }
    }
    latencies.sort((a, b) => a - b)
    return {
      goodput: (useful * 1_000) / (setup.durationMs - setup.warmUpMs),
      p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
      rejectedShare: rejected / offered,
    }
  } finally {
    vi.unstubAllGlobals()
  }
}
