import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import {
  acquireOrReject,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkObject,
  type RateLimitDecision,
  type RateLimiter,
} from '@sd/core'
import type { RateLimitAlgorithm, RateLimiterOptions } from '@sd/rate-limit-kit'
import { bindCases, type CaseBody, type ContractCase, createCaseClients } from './contract.ts'
import { hostileNames } from './samples.ts'
import { within } from './waiting.ts'

/** A backend for one case. */
export interface RateLimiterBackend {
  /** Opens a limiter with these options. */
  open(options: RateLimiterOptions): Promise<RateLimiter>
  /** Closes everything that is left. Called after every case. */
  dispose(): Promise<void>
}

/** Connects the rate limiter contract with an implementation. */
export interface RateLimiterHarness {
  /** Creates a backend for one case. */
  readonly setup: () => Promise<RateLimiterBackend>
  /** Longest duration of any step, without the requested wait, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

interface RateLimiterContext {
  readonly open: (options: RateLimiterOptions) => Promise<RateLimiter>
  readonly eventuallyMs: number
  readonly dispose: () => Promise<void>
}

const hourMs = 3_600_000
/** A timer may fire slightly early, and clocks have a resolution. */
const clockMs = 2

/** Takes units one after another, as fast as possible, and records the time before and after each one granted. */
async function takeFor(limiter: RateLimiter, durationMs: number): Promise<readonly { before: number; after: number }[]> {
  const granted: { before: number; after: number }[] = []
  const endAt = performance.now() + durationMs
  for (;;) {
    const before = performance.now()
    if (before >= endAt) return granted
    const { allowed } = await limiter.acquire('a')
    if (allowed) granted.push({ before, after: performance.now() })
    else await delay(1)
  }
}

function checkNumbers(decision: RateLimitDecision, limit: number): void {
  assert.equal(decision.limit, limit)
  for (const field of ['remaining', 'resetMs', 'retryAfterMs'] as const) {
    assert.ok(
      Number.isInteger(decision[field]) && decision[field] >= 0,
      `${field} should be a non-negative integer, got ${decision[field]}`,
    )
  }
  assert.ok(decision.remaining <= limit)
  assert.equal(decision.retryAfterMs > 0, !decision.allowed, 'exactly the refused calls have retryAfterMs')
}

/** Requirements of both algorithms. */
function sharedCases(algorithm: RateLimitAlgorithm): Readonly<Record<string, CaseBody<RateLimiterContext>>> {
  return { ...limitCases(algorithm), ...waitingCases(algorithm) }
}

function limitCases(algorithm: RateLimitAlgorithm): Readonly<Record<string, CaseBody<RateLimiterContext>>> {
  return {
    'calls up to the limit are allowed, and then none': async ({ open }) => {
      const limiter = await open({ algorithm, limit: 5, windowMs: hourMs })
      for (const remaining of [4, 3, 2, 1, 0]) {
        const decision = await limiter.acquire('a')
        assert.deepEqual([decision.allowed, decision.remaining], [true, remaining])
        checkNumbers(decision, 5)
      }
      const refused = await limiter.acquire('a')
      assert.deepEqual([refused.allowed, refused.remaining], [false, 0])
      checkNumbers(refused, 5)
      const availableMs = algorithm === 'gcra' ? hourMs / 5 : hourMs
      assert.ok(refused.retryAfterMs > availableMs - 60_000 && refused.retryAfterMs <= availableMs * 1.05 + 1)
      assert.ok(refused.resetMs >= refused.retryAfterMs)
      await assert.rejects(acquireOrReject(limiter, 'a'), { code: 'SD_REJECTED', retryable: true })
    },

    'concurrent calls share the limit': async ({ open }) => {
      const limiter = await open({ algorithm, limit: 30, windowMs: hourMs })
      const decisions = await Promise.all(Array.from({ length: 100 }, () => limiter.acquire('a')))
      assert.equal(decisions.filter(({ allowed }) => allowed).length, 30)
    },

    'keys are independent': async ({ open }) => {
      const limiter = await open({ algorithm, limit: 1, windowMs: hourMs })
      const keys = [...hostileNames, 'a', 'a ', 'A', ' 1 2 ', '\u0000']
      for (const key of keys) assert.equal((await limiter.acquire(key)).allowed, true, JSON.stringify(key))
      for (const key of keys) assert.equal((await limiter.acquire(key)).allowed, false, JSON.stringify(key))
    },

    'a call takes its whole cost or nothing, and cost 0 only reads': async ({ open }) => {
      const limiter = await open({ algorithm, limit: 10, windowMs: hourMs })
      assert.equal((await limiter.acquire('a', { cost: 7 })).remaining, 3)
      const refused = await limiter.acquire('a', { cost: 4 })
      assert.deepEqual([refused.allowed, refused.remaining], [false, 3])
      for (let look = 0; look < 3; look++) {
        const seen = await limiter.acquire('a', { cost: 0 })
        assert.deepEqual([seen.allowed, seen.remaining], [true, 3])
      }
      assert.equal((await limiter.acquire('a', { cost: 3 })).allowed, true)
      assert.equal((await limiter.acquire('fresh', { cost: 0 })).resetMs, 0)
    },

    'units are available again after retryAfterMs, and not before': async ({ open, eventuallyMs }) => {
      const limiter = await open({ algorithm, limit: 2, windowMs: 400 })
      const before = performance.now()
      await limiter.acquire('a', { cost: 2 })
      const { retryAfterMs } = await limiter.acquire('a', { cost: 2 })
      assert.ok(retryAfterMs <= 400 * 1.05 + clockMs, `two units of two per 400 ms are available again after ${retryAfterMs} ms`)
      await delay(retryAfterMs + clockMs)
      for (;;) {
        if ((await limiter.acquire('a', { cost: 2 })).allowed) break
        assert.ok(performance.now() < before + 400 + eventuallyMs, 'never allowed again')
        await delay(5)
      }
      assert.ok(performance.now() - before >= 400 - clockMs, 'allowed too early')
    },
  }
}

function waitingCases(algorithm: RateLimitAlgorithm): Readonly<Record<string, CaseBody<RateLimiterContext>>> {
  return {
    'waiting calls are served in order of arrival': async ({ open, eventuallyMs }) => {
      const limiter = await open({ algorithm, limit: 2, windowMs: 200 })
      const order: number[] = []
      const take = async (index: number): Promise<void> => {
        assert.equal((await limiter.acquire('a', { wait: true })).allowed, true)
        order.push(index)
      }
      const before = performance.now()
      await within(Promise.all([0, 1, 2, 3, 4, 5].map(take)), 600 + eventuallyMs, 'all waiting calls')
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5])
      assert.ok(performance.now() - before >= 400 - clockMs, 'six units of two per 200 ms take 400 ms')
    },

    'a waiting call can be aborted, and takes nothing': async ({ open, eventuallyMs }) => {
      const limiter = await open({ algorithm, limit: 1, windowMs: 300, maxWaitMs: 10_000 })
      await limiter.acquire('a')
      const controller = new AbortController()
      const reason = new Error('enough')
      const waiting = [0, 1, 2].map(() => limiter.acquire('a', { wait: true, signal: controller.signal }))
      const all = Promise.allSettled(waiting)
      const patient = limiter.acquire('a', { wait: true })
      patient.catch(() => undefined)
      setTimeout(() => controller.abort(reason), 30)
      for (const result of await within(all, eventuallyMs, 'aborted calls')) {
        assert.equal(result.status, 'rejected')
        assert.equal((result.reason as { code?: string }).code, 'SD_ABORTED')
        assert.equal((result.reason as Error).cause, reason)
      }
      assert.equal((await within(patient, 300 + eventuallyMs, 'the remaining call')).allowed, true)
      await assert.rejects(limiter.acquire('b', { signal: AbortSignal.abort() }), { code: 'SD_ABORTED' })
      assert.equal((await limiter.acquire('b')).allowed, true, 'an aborted call took a unit')
    },

    'the wait and the number of waiting calls are limited': async ({ open, eventuallyMs }) => {
      const limiter = await open({ algorithm, limit: 1, windowMs: hourMs, maxWaitMs: 200 })
      await limiter.acquire('a')
      const rejected = assert.rejects(limiter.acquire('a', { wait: true }), { code: 'SD_REJECTED' })
      await within(rejected, eventuallyMs, 'a call that would wait for an hour')
      const narrow = await open({ algorithm, limit: 1, windowMs: 60_000, maxWaitMs: 120_000, maxWaiting: 2 })
      await narrow.acquire('b')
      const controller = new AbortController()
      const { signal } = controller
      const waiting = Promise.allSettled([0, 1].map(() => narrow.acquire('b', { wait: true, signal })))
      const third = narrow.acquire('b', { wait: true })
      await within(assert.rejects(third, { code: 'SD_REJECTED' }), eventuallyMs, 'one waiting call too many')
      assert.equal((await narrow.acquire('c', { wait: true })).allowed, true, 'a call that need not wait is not limited')
      controller.abort()
      await within(waiting, eventuallyMs, 'aborted waiting calls')
    },
  }
}

const cases: Readonly<Record<string, CaseBody<RateLimiterContext>>> = {
  ...named('gcra', sharedCases('gcra')),
  ...named('sliding-window', sharedCases('sliding-window')),

  'gcra: never more than the burst and the units that have returned since': async ({ open }) => {
    const limiter = await open({ limit: 20, windowMs: 200, burst: 5 })
    const granted = await takeFor(limiter, 700)
    assert.ok(granted.length >= 10, `only ${granted.length} of about 75 units were granted`)
    for (const [first, { before }] of granted.entries()) {
      for (const [distance, { after }] of granted.slice(first).entries()) {
        const leastMs = (distance + 1 - 5) * 10
        assert.ok(after - before >= leastMs - clockMs, `${distance + 1} units in ${after - before} ms`)
      }
    }
  },

  'gcra: units return evenly': async ({ open }) => {
    const limiter = await open({ limit: 10, windowMs: hourMs })
    const { resetMs } = await limiter.acquire('a', { cost: 10 })
    assert.ok(Math.abs(resetMs - hourMs) <= clockMs)
    const { retryAfterMs } = await limiter.acquire('a', { cost: 5 })
    assert.ok(Math.abs(retryAfterMs - hourMs / 2) < 60_000)
  },

  'sliding-window: never more than the limit in any window': async ({ open }) => {
    const limiter = await open({ algorithm: 'sliding-window', limit: 10, windowMs: 200 })
    const granted = await takeFor(limiter, 1_000)
    assert.ok(granted.length >= 20, `only ${granted.length} of about 50 units were granted`)
    for (const [index, { before }] of granted.entries()) {
      const later = granted[index + 10]
      if (later) assert.ok(later.after - before >= 200 - clockMs, `11 units in ${later.after - before} ms`)
    }
  },

  'closing ends waiting and is idempotent': async ({ open, eventuallyMs }) => {
    const limiter = await open({ limit: 1, windowMs: 60_000, maxWaitMs: 120_000 })
    await limiter.acquire('a')
    const waiting = [0, 1].map(() => assert.rejects(limiter.acquire('a', { wait: true }), { code: 'SD_CLOSED' }))
    await delay(50)
    await within(Promise.all([limiter.close(), limiter.close(), ...waiting]), eventuallyMs, 'close()')
    await assert.rejects(limiter.acquire('b'), { code: 'SD_CLOSED' })
    await assert.rejects(limiter.acquire('b', { wait: true }), { code: 'SD_CLOSED' })
  },

  'invalid input is rejected, and a key is not shown': async ({ open }) => {
    const limiter = await open({ limit: 5, windowMs: 1_000 })
    for (const key of ['', 'secret'.repeat(100), '\ud800', 1 as never]) {
      await assert.rejects(limiter.acquire(key), (error: Error & { code?: string; field?: string }) => {
        assert.deepEqual([error.code, error.field], ['SD_INVALID', 'key'])
        assert.ok(!error.message.includes('secret'))
        return true
      })
    }
    for (const cost of [6, -1, 0.5, Number.NaN]) {
      await assert.rejects(limiter.acquire('a', { cost }), { code: 'SD_INVALID', field: 'cost' })
    }
    await assert.rejects(limiter.acquire('a', { wait: 100 as never }), { code: 'SD_INVALID', field: 'wait' })
    await assert.rejects(limiter.acquire('a', { weight: 1 } as never), { code: 'SD_INVALID', field: 'weight' })
    await assert.rejects(async () => open({ limit: 0, windowMs: 1_000 }), { code: 'SD_INVALID', field: 'limit' })
    await assert.rejects(async () => open({ limit: 1, windowMs: 1, rate: 1 } as never), { code: 'SD_INVALID', field: 'rate' })
  },
}

function named<Body>(prefix: string, bodies: Readonly<Record<string, Body>>): Record<string, Body> {
  return Object.fromEntries(Object.entries(bodies).map(([name, body]) => [`${prefix}: ${name}`, body]))
}

/**
 * The contract of `RateLimiter`, for both algorithms.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function rateLimiterContract(harness: RateLimiterHarness): readonly ContractCase[] {
  checkKnownKeys('harness', checkObject('harness', harness), ['setup', 'eventuallyMs'])
  checkFunction('harness.setup', harness.setup)
  const eventuallyMs = checkDuration('harness.eventuallyMs', harness.eventuallyMs ?? 5_000, 1)
  return bindCases(
    cases,
    async () => ({ eventuallyMs, ...createCaseClients(await harness.setup()) }),
    (context) => context.dispose(),
  )
}
