import assert from 'node:assert/strict'
import { type CircuitBreaker, checkFunction, checkKnownKeys, checkObject } from '@sd/core'
import { assertState, type BreakerContext, type BreakerHarness } from './breaker-context.ts'
import { executeCases } from './breaker-execute-cases.ts'
import { breakerStateCases } from './breaker-state-cases.ts'
import { bindCases, type CaseBody, type ContractCase } from './contract.ts'

const cases: Readonly<Record<string, CaseBody<BreakerContext>>> = {
  'it opens at exactly the failure rate': async ({ create, calls }) => {
    const breaker = create({ window: { kind: 'count', size: 10 }, minimumCalls: 4, failureRate: 0.5 })
    calls(breaker, true, true, false)
    assert.equal(breaker.state, 'closed')
    calls(breaker, false)
    assertState(breaker, 'open')
    assert.equal(breaker.tryAcquire(), undefined)
  },

  'it does not open before the minimum number of calls': async ({ create, calls }) => {
    const breaker = create({ window: { kind: 'count', size: 10 }, minimumCalls: 5 })
    calls(breaker, false, false, false, false)
    assertState(breaker, 'closed')
    calls(breaker, false)
    assertState(breaker, 'open')
  },

  'a count window holds the last calls': async ({ create, calls }) => {
    const breaker = create({ window: { kind: 'count', size: 4 }, failureRate: 0.75 })
    calls(breaker, false, false, true, true, false, false)
    assertState(breaker, 'closed')
    calls(breaker, false)
    assertState(breaker, 'open')
  },

  'calls expire from a time window': async ({ create, calls, advance }) => {
    const breaker = create({ window: { kind: 'time', durationMs: 1_000 }, minimumCalls: 4 })
    calls(breaker, false, false)
    await advance(1_000)
    calls(breaker, false, false)
    assertState(breaker, 'closed')
    await advance(500)
    calls(breaker, false, false)
    assertState(breaker, 'open')
  },

  'slow calls open it too': async ({ create, advance }) => {
    const options = { window: { kind: 'count', size: 4 }, slowCallMs: 100, slowCallRate: 0.5 } as const
    const reported = create(options)
    for (const latencyMs of [100, 100, 101, 101]) reported.tryAcquire()?.settle({ ok: true, latencyMs })
    assertState(reported, 'open')
    const measured = create({ ...options, failureRate: 1 })
    for (const durationMs of [0, 0, 200, 200]) {
      const permit = measured.tryAcquire()
      await advance(durationMs)
      permit?.settle({ ok: durationMs > 0 })
    }
    assertState(measured, 'open')
  },

  'ignored outcomes are neutral': async ({ create, calls }) => {
    const breaker = create({
      window: { kind: 'count', size: 4 },
      minimumCalls: 4,
      isIgnored: ({ error }) => error === 'mine',
    })
    for (let call = 0; call < 10; call++) breaker.tryAcquire()?.settle({ ok: false, error: 'mine' })
    calls(breaker, false, false, false)
    for (let call = 0; call < 10; call++) breaker.tryAcquire()?.settle({ ok: false, error: 'mine' })
    assertState(breaker, 'closed')
    calls(breaker, false)
    assertState(breaker, 'open', 'four of four failed')
  },

  'a success never opens the circuit': async ({ create, calls, advance }) => {
    const byCount = create({ window: { kind: 'count', size: 4 }, minimumCalls: 4 })
    calls(byCount, false, false, false, true)
    assertState(byCount, 'closed', 'a success completes the minimum')
    calls(byCount, false)
    assertState(byCount, 'open')

    const byTime = create({ window: { kind: 'time', durationMs: 10_000 }, minimumCalls: 4 })
    calls(byTime, true, true, true, true)
    await advance(5_000)
    calls(byTime, false, false, false)
    await advance(6_000)
    calls(byTime, true)
    assertState(byTime, 'closed', 'older successes have left the window')
    calls(byTime, false)
    assertState(byTime, 'open')
  },

  'a permit can be settled only once': async ({ create }) => {
    const breaker = create({ window: { kind: 'count', size: 2 } })
    const permit = breaker.tryAcquire()
    permit?.settle({ ok: false })
    permit?.settle({ ok: false })
    assertState(breaker, 'closed')
  },

  ...breakerStateCases,
  ...executeCases,
}

/**
 * The contract of `CircuitBreaker`. Its cases need fake timers and must not run concurrently.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function breakerContract(harness: BreakerHarness): readonly ContractCase[] {
  checkKnownKeys('harness', checkObject('harness', harness), ['create', 'advance'])
  checkFunction('harness.create', harness.create)
  checkFunction('harness.advance', harness.advance)
  function calls(breaker: CircuitBreaker, ...ends: readonly boolean[]): number {
    const permits = ends.map((ok) => {
      const permit = breaker.tryAcquire()
      permit?.settle({ ok })
      return permit
    })
    return permits.filter((permit) => permit !== undefined).length
  }
  return bindCases(
    cases,
    async () => ({ ...harness, calls }),
    async () => undefined,
  )
}
