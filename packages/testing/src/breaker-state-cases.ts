import assert from 'node:assert/strict'
import type { CircuitChange } from '@sd/core'
import { assertState, type BreakerContext } from './breaker-context.ts'
import type { CaseBody } from './contract.ts'

/** Cases of the breaker contract about trials, recovery, manual control and events. */
export const breakerStateCases: Readonly<Record<string, CaseBody<BreakerContext>>> = {
  'after the open time it permits that number of trials and refuses the rest': async ({ create, advance }) => {
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

  'failed trials open it again as soon as the result is certain': async ({ create, calls, advance }) => {
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

  'the open time grows with the outage, and is short again after it': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 100, maxOpenMs: 3_000, trials: 1 })
    /** Returns the current open time, rounded to 10 ms. */
    async function openTime(): Promise<number> {
      let waitedMs = 0
      for (; breaker.state === 'open'; waitedMs += 10) await advance(10)
      return waitedMs
    }
    breaker.open()
    const waits: number[] = []
    for (let elapsed = 0; elapsed < 60_000; elapsed += waits.at(-1) ?? 0) {
      waits.push(await openTime())
      calls(breaker, false)
    }
    const [first = 0] = waits
    assert.ok(first >= 90 && first <= 110, `the first open time should be openMs, got ${first}`)
    let elapsed = 0
    for (const [index, wait] of waits.entries()) {
      const most = Math.min(3_000, Math.max(100, elapsed / 10))
      assert.ok(
        wait >= 0.9 * most - 10 && wait <= most + 10,
        `open time ${index} should be a tenth of ${elapsed} ms, got ${wait}`,
      )
      elapsed += wait
    }
    await openTime()
    calls(breaker, true)
    assertState(breaker, 'closed')
    await advance(120_000)
    breaker.open()
    assert.ok((await openTime()) <= 110, 'the next outage starts with openMs')
  },

  'the open time continues to grow if the peer fails again at once': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 100, trials: 1 })
    breaker.open()
    for (let tenth = 0; tenth < 200; tenth++) {
      await advance(100)
      calls(breaker, false)
    }
    for (let wait = 0; wait < 3_000 && breaker.state === 'open'; wait += 100) await advance(100)
    calls(breaker, true)
    assertState(breaker, 'closed')
    breaker.open()
    await advance(1_500)
    assertState(breaker, 'open')
  },

  'calls fail only slightly longer than the peer': async ({ create, advance }) => {
    for (const blipMs of [100, 500, 2_000, 10_000]) {
      const breaker = create({
        window: { kind: 'count', size: 20 },
        minimumCalls: 10,
        trials: 5,
        maxOpenMs: 5_000,
        recoveryMs: 10_000,
      })
      let lastFailureMs = 0
      let failures = 0
      for (let atMs = -200; atMs < 2 * blipMs + 1_000; atMs += 5) {
        const isDown = atMs >= 0 && atMs < blipMs
        const permit = breaker.tryAcquire()
        permit?.settle({ ok: !isDown })
        if (!permit || isDown) {
          lastFailureMs = atMs
          failures++
        }
        await advance(5)
      }
      assert.ok(failures > 0)
      assert.ok(lastFailureMs <= 1.2 * blipMs + 250, `after ${blipMs} ms of failures the last call failed at ${lastFailureMs} ms`)
    }
  },

  'slow trials open it too': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1, slowCallMs: 50 })
    breaker.open()
    await advance(1_100)
    breaker.tryAcquire()?.settle({ ok: true, latencyMs: 51 })
    assertState(breaker, 'open')
  },

  'an ignored trial is replaced by another one': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1, isIgnored: ({ error }) => error === 'mine' })
    breaker.open()
    await advance(1_100)
    breaker.tryAcquire()?.settle({ ok: false, error: 'mine' })
    assertState(breaker, 'half-open')
    assert.equal(calls(breaker, true), 1)
    assertState(breaker, 'closed')
  },

  'trials that never end are recorded as failed': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 2, trialTimeoutMs: 500 })
    breaker.open()
    await advance(1_100)
    breaker.tryAcquire()
    breaker.tryAcquire()?.settle({ ok: true })
    await advance(400)
    assert.equal(breaker.tryAcquire(), undefined)
    assertState(breaker, 'half-open')
    await advance(200)
    assert.equal(breaker.tryAcquire(), undefined)
    assertState(breaker, 'open')
  },

  'trials that hang for as long as it was open are replaced': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 2 })
    breaker.open()
    await advance(1_100)
    const [failing, late] = [breaker.tryAcquire(), breaker.tryAcquire()]
    await advance(800)
    assert.equal(breaker.tryAcquire(), undefined)
    await advance(300)
    const other = breaker.tryAcquire()
    assert.ok(other, 'replacements find out whether it has recovered')
    failing?.settle({ ok: false })
    assertState(breaker, 'half-open', 'the failure of a replaced trial is ignored')
    late?.settle({ ok: true })
    other.settle({ ok: true })
    assertState(breaker, 'closed', 'a late success is accepted')
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
    assertState(breaker, 'half-open', 'an earlier failure is not a trial')
    breaker.open()
    await advance(1_100)
    late?.settle({ ok: true })
    assertState(breaker, 'half-open', 'a success of an earlier trial does not close it')
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

  'after recovery the share of permitted calls grows': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 100_000, trials: 1, recoveryMs: 10_000 })
    const hundred = new Array<boolean>(100).fill(true)
    breaker.open()
    await advance(110_000)
    calls(breaker, true)
    const shares: number[] = []
    for (let step = 0; step < 3; step++) {
      shares.push(calls(breaker, ...hundred))
      await advance(5_000)
    }
    const [first = 0, half = 0, all = 0] = shares
    assert.ok(first >= 9 && first <= 12, `should permit about a tenth at first, got ${first}`)
    assert.ok(half >= 48 && half <= 52, `should permit about half in the middle, got ${half}`)
    assert.equal(all, 100)
    breaker.open()
    breaker.close()
    assert.equal(calls(breaker, ...hundred), 100, 'closed manually, it permits all calls at once')
  },

  'after a short outage all traffic returns soon, even if recoveryMs is long': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1, recoveryMs: 10_000 })
    breaker.open()
    await advance(1_100)
    calls(breaker, true)
    await advance(120)
    assert.equal(calls(breaker, ...new Array<boolean>(50).fill(true)), 50)
  },

  "it closes when the remaining trials can't change the result": async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 4, failureRate: 0.5 })
    breaker.open()
    await advance(1_100)
    const hung = breaker.tryAcquire()
    calls(breaker, true, true)
    assertState(breaker, 'half-open')
    calls(breaker, true)
    assertState(breaker, 'closed')
    hung?.settle({ ok: false })
    assertState(breaker, 'closed')
  },

  'it can be opened, closed and isolated manually': async ({ create, calls, advance }) => {
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
    assertState(breaker, 'open', 'it still applies the threshold')
    breaker.close()
    await advance(5_000)
    assertState(breaker, 'closed')
  },

  'opening it again restarts the open time': async ({ create, advance }) => {
    const breaker = create({ openMs: 1_000 })
    breaker.open()
    await advance(600)
    breaker.open()
    await advance(600)
    assertState(breaker, 'open')
    await advance(600)
    assertState(breaker, 'half-open')
  },

  'of simultaneous changes the last one applies': async ({ create, calls, advance }) => {
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

  'listeners receive every change until they are removed': async ({ create, calls, advance }) => {
    const breaker = create({ window: { kind: 'count', size: 1 }, openMs: 1_000, trials: 1 })
    const changes: CircuitChange[] = []
    const end = breaker.onStateChange((change) => changes.push(change))
    breaker.onStateChange(() => {
      throw new Error('listener failed')
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
