import {
  type CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitState,
  SdError,
  subscribeTelemetry,
  type TelemetryEvents,
} from '@sd/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { assembleCircuitBreaker } from './assemble-circuit-breaker.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** The engine records its calls, and provides a function that ends the open time. */
function createBreaker(options: CircuitBreakerOptions = {}) {
  const engineCalls: string[] = []
  let onHalfOpen = (): void => undefined
  const breaker = assembleCircuitBreaker({
    createEngine(settings) {
      onHalfOpen = settings.onHalfOpen
      return { open: (forMs) => engineCalls.push(`open for ${forMs}`), close: () => engineCalls.push('close') }
    },
    options: { random: () => 0, ...options },
  })
  return { breaker, engineCalls, endOpenTime: () => onHalfOpen() }
}

function end(breaker: CircuitBreaker, ...ends: readonly boolean[]): void {
  for (const ok of ends) breaker.tryAcquire()?.settle({ ok })
}

test('the engine is opened and closed, and its events are ignored unless open', () => {
  const { breaker, engineCalls, endOpenTime } = createBreaker({ window: { kind: 'count', size: 2 }, openMs: 500, trials: 1 })
  endOpenTime()
  expect(breaker.state).toBe('closed')
  end(breaker, false, false)
  endOpenTime()
  end(breaker, false)
  endOpenTime()
  end(breaker, true)
  breaker.isolate()
  endOpenTime()
  expect(breaker.state).toBe('isolated')
  expect(engineCalls).toEqual(['open for 500', 'open for 500', 'close', 'close'])
})

test('defaults are those of Resilience4j', () => {
  const { breaker, endOpenTime } = createBreaker()
  expect(breaker.name).toBe('breaker')
  end(breaker, ...Array.from({ length: 99 }, (_, call) => call >= 49))
  end(breaker, true)
  expect(breaker.state).toBe('closed')
  end(breaker, ...new Array<boolean>(100).fill(false))
  expect(breaker.state).toBe('open')
  endOpenTime()
  end(breaker, ...new Array<boolean>(5).fill(true))
  expect(breaker.state).toBe('half-open')
  end(breaker, true)
  expect(breaker.state).toBe('closed')
})

test('by default, errors of the caller or another policy are neutral', () => {
  const { breaker } = createBreaker({ window: { kind: 'count', size: 1 } })
  for (const code of ['SD_ABORTED', 'SD_REJECTED', 'SD_INVALID'] as const) {
    breaker.tryAcquire()?.settle({ ok: false, error: new SdError(code, 'x') })
    expect(breaker.state).toBe('closed')
  }
  breaker.tryAcquire()?.settle({ ok: false, error: new SdError('SD_TIMEOUT', 'x') })
  expect(breaker.state).toBe('open')
})

test('telemetry receives changes in order, even if a listener causes one', () => {
  const { breaker } = createBreaker({ name: 'orders' })
  const events: TelemetryEvents['sd:v1:breaker:state'][] = []
  const received: CircuitState[] = []
  const end = subscribeTelemetry('sd:v1:breaker:state', (event) => events.push(event))
  breaker.onStateChange(({ state }) => {
    if (state === 'open') breaker.isolate()
  })
  breaker.onStateChange(({ state }) => received.push(state))
  breaker.open()
  end()
  expect(received).toEqual(['open', 'isolated'])
  expect(events).toEqual([
    { breaker: 'orders', state: 'open', previous: 'closed', reason: 'manual' },
    { breaker: 'orders', state: 'isolated', previous: 'open', reason: 'manual' },
  ])
})

test('trials that stay below the thresholds close it, even if some never end', () => {
  const { breaker, endOpenTime } = createBreaker({ trials: 4, trialTimeoutMs: 1_000, failureRate: 0.3 })
  breaker.open()
  endOpenTime()
  const hung = breaker.tryAcquire()
  end(breaker, true, true, true)
  vi.advanceTimersByTime(1_000)
  expect(breaker.tryAcquire()).toBeDefined()
  expect(breaker.state).toBe('closed')
  hung?.settle({ ok: false })
  expect(breaker.state).toBe('closed')
})

describe('a slow call', () => {
  const window = { kind: 'count', size: 2 } as const

  test('is one that took longer than slowCallMs, by its own latency or by the time until it was settled', () => {
    const settleAfter = (ms: number, latencyMs?: number): CircuitState => {
      const { breaker } = createBreaker({ window: { kind: 'count', size: 1 }, slowCallMs: 50 })
      vi.advanceTimersByTime(1_000)
      const permit = breaker.tryAcquire()
      vi.advanceTimersByTime(ms)
      permit?.settle({ ok: true, ...(latencyMs !== undefined && { latencyMs }) })
      return breaker.state
    }
    expect([settleAfter(50), settleAfter(51)]).toEqual(['closed', 'open'])
    expect([settleAfter(100, 50), settleAfter(10, 51)]).toEqual(['closed', 'open'])
  })

  test('opens the circuit at slowCallRate, which is the reason', () => {
    const { breaker } = createBreaker({ window, slowCallMs: 50, slowCallRate: 0.5 })
    const reasons: unknown[] = []
    breaker.onStateChange(({ reason }) => reasons.push(reason))
    breaker.tryAcquire()?.settle({ ok: true, latencyMs: 10 })
    breaker.tryAcquire()?.settle({ ok: true, latencyMs: 60 })
    expect([breaker.state, reasons]).toEqual(['open', ['slow-call-rate']])
  })

  test('does not exist without slowCallMs', () => {
    const { breaker } = createBreaker({ window })
    for (let call = 0; call < 10; call++) breaker.tryAcquire()?.settle({ ok: true, latencyMs: 1e9 })
    expect(breaker.state).toBe('closed')
  })

  test('counts among the trials, and closes the circuit as soon as the others can not exceed the rate', () => {
    const { breaker, endOpenTime } = createBreaker({ window, slowCallMs: 50, slowCallRate: 0.6, trials: 4 })
    breaker.open()
    endOpenTime()
    for (const latencyMs of [60, 10, 10]) {
      expect(breaker.state).toBe('half-open')
      breaker.tryAcquire()?.settle({ ok: true, latencyMs })
    }
    expect(breaker.state).toBe('closed')
    breaker.open()
    endOpenTime()
    for (const latencyMs of [60, 60, 60]) breaker.tryAcquire()?.settle({ ok: true, latencyMs })
    expect(breaker.state).toBe('open')
  })
})

describe('a trial', () => {
  function startTrials(options: CircuitBreakerOptions = {}) {
    const made = createBreaker({ window: { kind: 'count', size: 4 }, openMs: 500, trials: 2, ...options })
    vi.advanceTimersByTime(10_000)
    made.breaker.open()
    made.endOpenTime()
    return made
  }
  const neutral = { ok: false, error: new SdError('SD_ABORTED', 'left') }

  test('is admitted for as many calls as there are trials', () => {
    const { breaker } = startTrials()
    expect([breaker.tryAcquire(), breaker.tryAcquire(), breaker.tryAcquire()].map(Boolean)).toEqual([true, true, false])
  })

  test('that says nothing gives its place to another call', () => {
    const { breaker } = startTrials()
    const [one] = [breaker.tryAcquire(), breaker.tryAcquire()]
    one?.settle(neutral)
    one?.settle(neutral)
    expect([breaker.tryAcquire(), breaker.tryAcquire()].map(Boolean)).toEqual([true, false])
    expect(breaker.state).toBe('half-open')
  })

  test('that hangs is replaced after the open time without progress; only a late success counts', () => {
    const { breaker } = startTrials()
    const hanging = [breaker.tryAcquire(), breaker.tryAcquire()]
    vi.advanceTimersByTime(499)
    expect(breaker.tryAcquire()).toBeUndefined()
    vi.advanceTimersByTime(1)
    const replacement = breaker.tryAcquire()
    expect(replacement).toBeDefined()
    hanging[0]?.settle({ ok: false })
    expect(breaker.state).toBe('half-open')
    hanging[1]?.settle({ ok: true })
    expect(breaker.tryAcquire()).toBeUndefined()
    replacement?.settle({ ok: true })
    expect(breaker.state).toBe('closed')
  })

  test('that hangs and ends without a verdict leaves the places of its replacements', () => {
    const { breaker } = startTrials()
    const hanging = [breaker.tryAcquire(), breaker.tryAcquire()]
    vi.advanceTimersByTime(500)
    expect([breaker.tryAcquire(), breaker.tryAcquire()].map(Boolean)).toEqual([true, true])
    for (const permit of hanging) permit?.settle(neutral)
    expect(breaker.tryAcquire()).toBeUndefined()
  })

  test('that succeeds late does not count if all replacements have begun', () => {
    const { breaker } = startTrials()
    const hanging = [breaker.tryAcquire(), breaker.tryAcquire()]
    vi.advanceTimersByTime(500)
    const replacements = [breaker.tryAcquire(), breaker.tryAcquire()]
    for (const permit of hanging) permit?.settle({ ok: true })
    expect(breaker.state).toBe('half-open')
    for (const permit of replacements) permit?.settle({ ok: false })
    expect(breaker.state).toBe('open')
  })

  test('is not replaced while others end', () => {
    const { breaker } = startTrials({ trials: 3, failureRate: 1 })
    const permits = [breaker.tryAcquire(), breaker.tryAcquire(), breaker.tryAcquire()]
    vi.advanceTimersByTime(400)
    permits[0]?.settle({ ok: false })
    vi.advanceTimersByTime(400)
    expect(breaker.tryAcquire()).toBeUndefined()
    vi.advanceTimersByTime(100)
    expect(breaker.tryAcquire()).toBeDefined()
  })

  test('that never ends fails after trialTimeoutMs without an end of any', () => {
    const { breaker } = startTrials({ openMs: 60_000, maxOpenMs: 60_000, trialTimeoutMs: 1_000 })
    for (let trial = 0; trial < 2; trial++) breaker.tryAcquire()
    vi.advanceTimersByTime(999)
    expect([breaker.tryAcquire(), breaker.state]).toEqual([undefined, 'half-open'])
    vi.advanceTimersByTime(1)
    expect([breaker.tryAcquire(), breaker.state]).toEqual([undefined, 'open'])
  })

  test('that never ends is a failure, not a slow call: the circuit closes if it has few of these, and admits the call', () => {
    const { breaker } = startTrials({ trialTimeoutMs: 1_000, failureRate: 1, slowCallMs: 50, slowCallRate: 0.5 })
    breaker.tryAcquire()
    breaker.tryAcquire()?.settle({ ok: true, latencyMs: 10 })
    expect(breaker.state).toBe('half-open')
    vi.advanceTimersByTime(1_000)
    expect([breaker.tryAcquire() !== undefined, breaker.state]).toEqual([true, 'closed'])
  })

  test('of an earlier half-open time says nothing', () => {
    const { breaker, endOpenTime } = startTrials()
    const old = breaker.tryAcquire()
    breaker.open()
    endOpenTime()
    old?.settle({ ok: false })
    end(breaker, true, true)
    expect(breaker.state).toBe('closed')
  })
})

describe('a change by hand', () => {
  test('is reported once, not if the state stays the same, and empties the window', () => {
    const { breaker, engineCalls } = createBreaker({ window: { kind: 'count', size: 4 }, minimumCalls: 2 })
    const changes: unknown[] = []
    const stop = breaker.onStateChange((change) => changes.push(change))
    end(breaker, false)
    breaker.close()
    end(breaker, false)
    expect([breaker.state, changes]).toEqual(['closed', []])
    breaker.open()
    breaker.open()
    expect(engineCalls.filter((call) => call.startsWith('open'))).toHaveLength(2)
    breaker.close()
    stop()
    breaker.isolate()
    expect(changes).toEqual([
      { state: 'open', previous: 'closed', reason: 'manual' },
      { state: 'closed', previous: 'open', reason: 'manual' },
    ])
    expect(breaker.tryAcquire()).toBeUndefined()
  })
})

test('a close by hand ends the outage: the next one begins with the shortest open time', () => {
  const { breaker, engineCalls, endOpenTime } = createBreaker({ window: { kind: 'count', size: 1 }, openMs: 100, trials: 1 })
  end(breaker, false)
  vi.advanceTimersByTime(10_000)
  endOpenTime()
  end(breaker, true, false)
  expect(engineCalls.at(-1)).toBe('open for 1000')
  breaker.close()
  end(breaker, false)
  expect(engineCalls.at(-1)).toBe('open for 100')
})

test('a response that its caller did not read to the end is judged by its status', () => {
  const stateAfter = (status: number): CircuitState => {
    const { breaker } = createBreaker({ window: { kind: 'count', size: 1 } })
    breaker.tryAcquire()?.settle({ ok: false, status, error: new SdError('SD_ABORTED', 'left') })
    return breaker.state
  }
  expect([stateAfter(200), stateAfter(404), stateAfter(500)]).toEqual(['closed', 'closed', 'open'])
})

test('a permit counts once', () => {
  const { breaker } = createBreaker({ window: { kind: 'count', size: 4 }, minimumCalls: 2 })
  const permit = breaker.tryAcquire()
  for (let time = 0; time < 4; time++) permit?.settle({ ok: false })
  expect(breaker.state).toBe('closed')
})

test('a success never opens the circuit', () => {
  const { breaker } = createBreaker({ window: { kind: 'count', size: 4 }, minimumCalls: 4 })
  end(breaker, false, false, false, true)
  expect(breaker.state).toBe('closed')
  end(breaker, false)
  expect(breaker.state).toBe('open')
})

test('the share after recovery is exceeded by at most one call', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.array(fc.nat(500), { maxLength: 100 }), (recoveryMs, waits) => {
      const { breaker, endOpenTime } = createBreaker({ trials: 1, recoveryMs })
      breaker.open()
      vi.advanceTimersByTime(10 * recoveryMs)
      endOpenTime()
      end(breaker, true)
      const closedAt = performance.now()
      let [allowed, admitted] = [1, 0]
      for (const waitMs of waits) {
        vi.advanceTimersByTime(waitMs)
        allowed += Math.max(0.1, Math.min(1, (performance.now() - closedAt) / recoveryMs))
        if (breaker.tryAcquire()) admitted++
        expect(admitted).toBeLessThanOrEqual(allowed + 1e-6)
        expect(admitted).toBeGreaterThan(allowed - 1 - 1e-6)
      }
    }),
  )
})

/** A simple model of the policy: lists instead of counters. */
function createModel(size: number, minimumCalls: number, failureRate: number, trials: number) {
  let state: CircuitState = 'closed'
  let calls: boolean[] = []
  let started = 0
  let generation = 0
  function enter(next: CircuitState): void {
    state = next
    calls = []
    started = 0
    generation++
  }
  const failures = (): number => calls.filter((ok) => !ok).length
  return {
    get state() {
      return state
    },
    enter,
    acquire(): number | undefined {
      if (state === 'open' || (state === 'half-open' && started === trials)) return undefined
      started++
      return generation
    },
    settle(from: number, ok: boolean): void {
      if (from !== generation) return
      calls.push(ok)
      if (state === 'closed') {
        calls = calls.slice(-size)
        if (!ok && calls.length >= minimumCalls && failures() / calls.length >= failureRate) enter('open')
      } else if (failures() / trials >= failureRate) enter('open')
      else if (calls.length === trials || (failures() + trials - calls.length) / trials < failureRate) enter('closed')
    },
  }
}

test('it behaves like a plain model for any sequence of events', () => {
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.constant({ kind: 'acquire' } as const) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('settle' as const), which: fc.nat(5), ok: fc.boolean() }) },
    { weight: 3, arbitrary: fc.constant({ kind: 'end open time' } as const) },
  )
  const rate = fc.constantFrom(0.1, 0.25, 0.5, 0.75, 1)
  const count = fc.integer({ min: 1, max: 5 })
  const anyActions = fc.array(action, { minLength: 20, maxLength: 200, size: 'max' })
  fc.assert(
    fc.property(count, count, rate, count, anyActions, (size, least, failureRate, trials, actions) => {
      const minimumCalls = Math.min(size, least)
      const { breaker, endOpenTime } = createBreaker({
        window: { kind: 'count', size },
        minimumCalls,
        failureRate,
        trials,
      })
      const model = createModel(size, minimumCalls, failureRate, trials)
      const open: { readonly settle: (ok: boolean) => void }[] = []
      for (const step of actions) {
        if (step.kind === 'acquire') {
          const [permit, from] = [breaker.tryAcquire(), model.acquire()]
          expect(permit === undefined).toBe(from === undefined)
          if (permit === undefined || from === undefined) continue
          open.push({
            settle(ok) {
              permit.settle({ ok })
              model.settle(from, ok)
            },
          })
        } else if (step.kind === 'settle') {
          open.splice(step.which % (open.length || 1), 1)[0]?.settle(step.ok)
        } else {
          endOpenTime()
          if (model.state === 'open') model.enter('half-open')
        }
        expect(breaker.state).toBe(model.state)
      }
    }),
    { numRuns: 500 },
  )
})

describe('invalid input is rejected', () => {
  test.each<[string, object]>([
    ['name', { name: '' }],
    ['window', { window: 100 }],
    ['window.kind', { window: { kind: 'sliding' } }],
    ['window.size', { window: { kind: 'count', size: 0 } }],
    ['window.durationMs', { window: { kind: 'time', durationMs: 9 } }],
    ['window.durationMs', { window: { kind: 'count', durationMs: 1_000 } }],
    ['minimumCalls', { window: { kind: 'count', size: 10 }, minimumCalls: 11 }],
    ['failureRate', { failureRate: 0 }],
    ['slowCallMs', { slowCallMs: -1 }],
    ['slowCallRate', { slowCallRate: 1.1 }],
    ['openMs', { openMs: 0 }],
    ['maxOpenMs', { openMs: 100, maxOpenMs: 99 }],
    ['random', { random: 1 }],
    ['trials', { trials: 0 }],
    ['trialTimeoutMs', { trialTimeoutMs: 0 }],
    ['recoveryMs', { recoveryMs: 0.5 }],
    ['isIgnored', { isIgnored: true }],
    ['timeoutMs', { timeoutMs: 0 }],
    ['maxLastSuccesses', { maxLastSuccesses: 0 }],
    ['volume', { volume: 1 }],
  ])('%s', (field, options) => {
    expect(() => createBreaker(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test.each<[string, unknown[]]>([
    ['work', [1]],
    ['timeoutMs', [() => 1, { timeoutMs: 1 }]],
    ['fallback.kind', [() => 1, { fallback: { kind: 'cache' } }]],
    ['fallback.run', [() => 1, { fallback: { kind: 'function' } }]],
    ['fallback.key', [() => 1, { fallback: { kind: 'last-success', key: 1 } }]],
    ['fallback.maxAgeMs', [() => 1, { fallback: { kind: 'last-success', key: 'a', maxAgeMs: -1 } }]],
  ])('execute: %s', async (field, given) => {
    const { breaker } = createBreaker()
    await expect(breaker.execute(...(given as [() => number]))).rejects.toMatchObject({ code: 'SD_INVALID', field })
  })
})
