import { type Permit, SdError } from '@sd/core'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Bulkhead, createBulkhead } from './index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Fate = 'waiting' | 'admitted' | 'settled' | 'SD_REJECTED' | 'SD_ABORTED' | 'SD_CLOSED'

/** The bulkhead as plainly as it can be said: a list of callers in their order, searched again for every question. */
interface Model {
  maxConcurrent: number
  maxQueued: number
  queueTimeoutMs: number
  nowMs: number
  closed: boolean
  readonly callers: { fate: Fate; readonly until: number }[]
}

function count(model: Model, fate: Fate): number {
  return model.callers.filter((caller) => caller.fate === fate).length
}

/** Whoever waits takes free places in order; whoever is too many for the queue goes, the last first. */
function settleModel(model: Model): void {
  for (const caller of model.callers) {
    if (caller.fate === 'waiting' && count(model, 'admitted') < model.maxConcurrent) caller.fate = 'admitted'
  }
  for (const caller of model.callers.toReversed()) {
    if (caller.fate === 'waiting' && count(model, 'waiting') > model.maxQueued) caller.fate = 'SD_REJECTED'
  }
}

/** What is compared with the model: the same callers, and what really became of them. */
interface Real {
  readonly bulkhead: Bulkhead
  readonly callers: { fate: Fate; permit?: Permit; readonly controller: AbortController }[]
}

type Step =
  | { readonly kind: 'try' | 'acquire' | 'close' }
  | { readonly kind: 'settle' | 'abort' | 'pass' | 'places' | 'queue'; readonly by: number }

function applyToModel(model: Model, step: Step): void {
  const { callers } = model
  switch (step.kind) {
    case 'try':
    case 'acquire': {
      const until = model.nowMs + model.queueTimeoutMs
      if (model.closed) callers.push({ fate: step.kind === 'try' ? 'SD_REJECTED' : 'SD_CLOSED', until })
      else if (count(model, 'admitted') < model.maxConcurrent) callers.push({ fate: 'admitted', until })
      else callers.push({ fate: step.kind === 'try' ? 'SD_REJECTED' : 'waiting', until })
      break
    }
    case 'close':
      model.closed = true
      for (const caller of callers) if (caller.fate === 'waiting') caller.fate = 'SD_CLOSED'
      break
    case 'settle': {
      const caller = callers[step.by % callers.length]
      if (caller?.fate === 'admitted') caller.fate = 'settled'
      break
    }
    case 'abort': {
      const caller = callers[step.by % callers.length]
      if (caller?.fate === 'waiting') caller.fate = 'SD_ABORTED'
      break
    }
    case 'pass':
      model.nowMs += step.by
      for (const caller of callers) if (caller.fate === 'waiting' && caller.until <= model.nowMs) caller.fate = 'SD_REJECTED'
      break
    case 'places':
      model.maxConcurrent = 1 + (step.by % 4)
      break
    case 'queue':
      model.maxQueued = step.by % 4
      break
  }
  settleModel(model)
}

async function applyToReal(real: Real, step: Step): Promise<void> {
  const { bulkhead, callers } = real
  switch (step.kind) {
    case 'try': {
      const permit = bulkhead.tryAcquire()
      callers.push({ fate: permit ? 'admitted' : 'SD_REJECTED', controller: new AbortController(), ...(permit && { permit }) })
      break
    }
    case 'acquire': {
      const caller: Real['callers'][number] = { fate: 'waiting', controller: new AbortController() }
      callers.push(caller)
      bulkhead.acquire({ signal: caller.controller.signal }).then(
        (permit) => Object.assign(caller, { fate: 'admitted', permit }),
        (error: unknown) => Object.assign(caller, { fate: SdError.isInstance(error) ? error.code : String(error) }),
      )
      break
    }
    case 'close':
      bulkhead.close()
      break
    case 'settle': {
      const caller = callers[step.by % callers.length]
      if (!caller?.permit) break
      // Also settles once more what was settled before, which must change nothing.
      caller.permit.settle({ ok: true })
      caller.fate = 'settled'
      break
    }
    case 'abort':
      callers[step.by % callers.length]?.controller.abort()
      break
    case 'pass':
      await vi.advanceTimersByTimeAsync(step.by)
      break
    case 'places':
      bulkhead.resize({ maxConcurrent: 1 + (step.by % 4) })
      break
    case 'queue':
      bulkhead.resize({ maxQueued: step.by % 4 })
      break
  }
  await vi.advanceTimersByTimeAsync(0)
}

const by = fc.nat({ max: 60 })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<Step>({ kind: 'try' }) },
    { weight: 8, arbitrary: fc.constant<Step>({ kind: 'acquire' }) },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constantFrom('settle', 'settle', 'abort', 'pass', 'places', 'queue'),
        by,
      }) as fc.Arbitrary<Step>,
    },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'close' }) },
  ),
  { minLength: 1, maxLength: 60, size: 'max' },
)

test('does what a plain model does, whatever happens', async () => {
  const property = fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), fc.nat({ max: 4 }), async (list, places, queue) => {
    const size = { maxConcurrent: places, maxQueued: queue, queueTimeoutMs: 100 }
    const model: Model = { ...size, nowMs: 0, closed: false, callers: [] }
    const real: Real = { bulkhead: createBulkhead(size), callers: [] }
    for (const step of list) {
      applyToModel(model, step)
      await applyToReal(real, step)
      expect(real.callers.map(({ fate }) => fate)).toEqual(model.callers.map(({ fate }) => fate))
      expect(real.bulkhead.statistics()).toMatchObject({
        active: count(model, 'admitted'),
        queued: count(model, 'waiting'),
        maxConcurrent: model.maxConcurrent,
        maxQueued: model.maxQueued,
      })
      expect(vi.getTimerCount()).toBe(count(model, 'waiting'))
    }
    real.bulkhead.close()
    await vi.advanceTimersByTimeAsync(0)
  })
  await fc.assert(property, { numRuns: 300, seed: 11 })
})
