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

  'it waits longer only as an outage lasts, and asks soon again after it': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 100, maxOpenMs: 3_000, trials: 1 })
    /** How long it is open now, to 10 ms. */
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
    assert.ok(first >= 90 && first <= 110, `openMs at first, not ${first}`)
    let elapsed = 0
    for (const [index, wait] of waits.entries()) {
      const most = Math.min(3_000, Math.max(100, elapsed / 10))
      assert.ok(wait >= 0.9 * most - 10 && wait <= most + 10, `wait ${index} is a tenth of ${elapsed} ms, not ${wait}`)
      elapsed += wait
    }
    await openTime()
    calls(breaker, true)
    assertState(breaker, 'closed')
    await advance(120_000)
    breaker.open()
    assert.ok((await openTime()) <= 110, 'the next outage begins with openMs')
  },

  'it waits on where it left off when a peer fails again at once': async ({ create, calls, advance }) => {
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

  'calls fail for little longer than the peer did': async ({ create, advance }) => {
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
    assert.ok(other, 'others find out whether it is back')
    failing?.settle({ ok: false })
    assertState(breaker, 'half-open', 'that a trial of before it failed is known')
    late?.settle({ ok: true })
    other.settle({ ok: true })
    assertState(breaker, 'closed', 'an answer that came late is as good as any')
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
    assert.ok(first >= 9 && first <= 12, `about a tenth at first, not ${first}`)
    assert.ok(half >= 48 && half <= 52, `about half in the middle, not ${half}`)
    assert.equal(all, 100)
    breaker.open()
    breaker.close()
    assert.equal(calls(breaker, ...hundred), 100, 'closed by hand, it lets all calls through at once')
  },

  'after a short outage all traffic returns soon, however long recovery may take': async ({ create, calls, advance }) => {
    const breaker = create({ openMs: 1_000, trials: 1, recoveryMs: 10_000 })
    breaker.open()
    await advance(1_100)
    calls(breaker, true)
    await advance(120)
    assert.equal(calls(breaker, ...new Array<boolean>(50).fill(true)), 50)
  },

  'trials that can no longer fail close it without waiting for the others': async ({ create, calls, advance }) => {
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
