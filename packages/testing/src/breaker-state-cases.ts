import assert from 'node:assert/strict'
import type { CircuitChange } from '@sd/core'
import { assertState, type BreakerContext } from './breaker-context.ts'
import type { CaseBody } from './contract.ts'

/** Cases of the breaker contract about trials, recovery, control by hand and events. */
export const breakerStateCases: Readonly<Record<string, CaseBody<BreakerContext>>> = {
  'after the open time it lets that many trials through and refuses the rest': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 3 })
    breaker.open()
    await advance(900)
    assertState(breaker, 'open')
    assert.equal(breaker.tryAcquire(), undefined)
    await advance(200)
    assertState(breaker, 'half-open')
    const permits = Array.from({ length: 5 }, () => breaker.tryAcquire())
    assert.deepEqual(
      permits.map((permit) => permit !== undefined),
      [true, true, true, false, false],
    )
    for (const permit of permits) permit?.settle({ ok: true })
    assertState(breaker, 'closed')
  },

  'trials that fail open it for another open time, as soon as that is certain': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 4, failureRate: 0.5 })
    breaker.open()
    await advance(1_100)
    calls(breaker, false, true)
    assertState(breaker, 'half-open')
    calls(breaker, false)
    assertState(breaker, 'open')
    await advance(900)
    assertState(breaker, 'open')
    await advance(200)
    assertState(breaker, 'half-open')
  },

  'slow trials open it too': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1, slowCallMs: 50 })
    breaker.open()
    await advance(1_100)
    breaker.tryAcquire()?.settle({ ok: true, latencyMs: 51 })
    assertState(breaker, 'open')
  },

  'an ignored trial makes room for another one': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1, isIgnored: ({ error }) => error === 'mine' })
    breaker.open()
    await advance(1_100)
    breaker.tryAcquire()?.settle({ ok: false, error: 'mine' })
    assertState(breaker, 'half-open')
    assert.equal(calls(breaker, true), 1)
    assertState(breaker, 'closed')
  },

  'trials that never end count as failed in the end': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 2, trialTimeoutMs: 5_000 })
    breaker.open()
    await advance(1_100)
    breaker.tryAcquire()
    breaker.tryAcquire()?.settle({ ok: true })
    await advance(4_900)
    assert.equal(breaker.tryAcquire(), undefined)
    assertState(breaker, 'half-open')
    await advance(200)
    assert.equal(breaker.tryAcquire(), undefined)
    assertState(breaker, 'open')
  },

  'late results of an earlier state are dropped': async ({ create, calls, advance }) => {
    const breaker = create({ window: { kind: 'count', size: 2 }, openMs: 1_000, trials: 2 })
    const [good, bad] = [breaker.tryAcquire(), breaker.tryAcquire()]
    breaker.open()
    good?.settle({ ok: true })
    assertState(breaker, 'open')
    await advance(1_100)
    const late = breaker.tryAcquire()
    bad?.settle({ ok: false })
    assertState(breaker, 'half-open', 'a failure from before is no trial')
    breaker.open()
    await advance(1_100)
    late?.settle({ ok: true })
    assertState(breaker, 'half-open', 'a success of an earlier trial closes nothing')
    assert.equal(calls(breaker, true, true), 2)
    assertState(breaker, 'closed')
  },

  'after recovery the window is empty': async ({ create, calls, advance }) => {
    const breaker = create({ window: { kind: 'count', size: 10 }, minimumCalls: 4, openMs: 1_000, trials: 1 })
    calls(breaker, false, false, false, false)
    await advance(1_100)
    calls(breaker, true)
    assertState(breaker, 'closed')
    calls(breaker, false, false, false)
    assertState(breaker, 'closed')
    calls(breaker, false)
    assertState(breaker, 'open')
  },

  'after recovery the share of calls that are let through grows': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1, recoveryMs: 10_000 })
    const hundred = new Array<boolean>(100).fill(true)
    breaker.open()
    await advance(1_100)
    calls(breaker, true)
    const shares: number[] = []
    for (let step = 0; step < 3; step++) {
      shares.push(calls(breaker, ...hundred))
      await advance(5_000)
    }
    const [first = 0, half = 0, all = 0] = shares
    assert.ok(first >= 9 && first <= 12, `about a tenth at first, not ${first}`)
    assert.ok(half >= 48 && half <= 52, `about half in the middle, not ${half}`)
    assert.equal(all, 100)
    breaker.open()
    breaker.close()
    assert.equal(calls(breaker, ...hundred), 100, 'nobody who closes it by hand waits')
  },

  'it opens, closes and isolates by hand': async ({ create, calls, advance }) => {
    const breaker = create({ window: { kind: 'count', size: 2 }, openMs: 1_000 })
    breaker.isolate()
    await advance(5_000)
    assertState(breaker, 'isolated')
    assert.equal(breaker.tryAcquire(), undefined)
    breaker.open()
    assertState(breaker, 'open')
    await advance(1_100)
    assertState(breaker, 'half-open')
    breaker.isolate()
    await advance(5_000)
    assertState(breaker, 'isolated')
    breaker.close()
    assertState(breaker, 'closed')
    await advance(5_000)
    assert.equal(calls(breaker, true, false), 2)
    assertState(breaker, 'open', 'it still judges')
    breaker.close()
    await advance(5_000)
    assertState(breaker, 'closed')
  },

  'opening it again starts the open time anew': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000 })
    breaker.open()
    await advance(600)
    breaker.open()
    await advance(600)
    assertState(breaker, 'open')
    await advance(600)
    assertState(breaker, 'half-open')
  },

  'changes of one moment leave it as the last one says': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1 })
    breaker.open()
    breaker.close()
    await advance(3_000)
    assertState(breaker, 'closed')
    breaker.open()
    breaker.close()
    breaker.open()
    await advance(1_100)
    assertState(breaker, 'half-open')
    breaker.open()
    breaker.close()
    await advance(3_000)
    assertState(breaker, 'closed')
    breaker.open()
    await advance(1_100)
    calls(breaker, false)
    await advance(1_100)
    calls(breaker, true)
    assertState(breaker, 'closed')
  },

  'listeners hear of every change until they end': async ({ create, calls, advance }) => {
    const breaker = create({ window: { kind: 'count', size: 1 }, openMs: 1_000, trials: 1 })
    const changes: CircuitChange[] = []
    const end = breaker.onStateChange((change) => changes.push(change))
    breaker.onStateChange(() => {
      throw new Error('a bad listener')
    })
    calls(breaker, false)
    await advance(1_100)
    calls(breaker, true)
    breaker.isolate()
    breaker.isolate()
    assert.deepEqual(changes, [
      { state: 'open', previous: 'closed', reason: 'failure-rate' },
      { state: 'half-open', previous: 'open', reason: 'open-time-over' },
      { state: 'closed', previous: 'half-open', reason: 'recovered' },
      { state: 'isolated', previous: 'closed', reason: 'manual' },
    ])
    end()
    breaker.close()
    assert.equal(changes.length, 4)
  },
}
