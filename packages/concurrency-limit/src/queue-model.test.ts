import { type CallPriority, type LimitRequest, type Permit, priorityShares, SdError } from '@sd/core'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type AdaptiveLimit, type Bulkhead, createAdaptiveLimit, createBulkhead } from './index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Fate = 'waiting' | 'admitted' | 'settled' | 'SD_REJECTED' | 'SD_ABORTED' | 'SD_CLOSED'

/** A plain model of a limit: a list of callers in order, searched for every decision. */
interface Model {
  maxConcurrent: number
  maxQueued: number
  queueTimeoutMs: number
  now: number
  closed: boolean
  /** Whether a wait has timed out since the queue was empty. */
  overloaded: boolean
  readonly shortensWaits: boolean
  readonly callers: { fate: Fate; readonly until: number; readonly priority: CallPriority | undefined }[]
}

function count(model: Model, fate: Fate): number {
  return model.callers.filter((caller) => caller.fate === fate).length
}

function placesFor(model: Model, priority: CallPriority | undefined): number {
  return priority ? Math.max(1, Math.floor(model.maxConcurrent * priorityShares[priority])) : model.maxConcurrent
}

function hasPlace(model: Model, priority: CallPriority | undefined): boolean {
  return count(model, 'admitted') < placesFor(model, priority)
}

/** The order in which waiting callers are served: `default` last. */
function inOrder(model: Model): Model['callers'] {
  const waiting = model.callers.filter(({ fate }) => fate === 'waiting')
  return [
    ...waiting.filter(({ priority }) => priority !== 'default'),
    ...waiting.filter(({ priority }) => priority === 'default'),
  ]
}

/** Grants free places in order, and refuses the newest callers that exceed the queue. */
function settleModel(model: Model): void {
  for (const caller of inOrder(model)) if (hasPlace(model, caller.priority)) caller.fate = 'admitted'
  for (const caller of inOrder(model).slice(model.maxQueued)) caller.fate = 'SD_REJECTED'
}

/** Decides about a new caller. */
function fateOf(model: Model, kind: 'try' | 'acquire', priority: CallPriority | undefined): Fate {
  if (model.closed) return kind === 'try' ? 'SD_REJECTED' : 'SD_CLOSED'
  if (hasPlace(model, priority)) return 'admitted'
  return kind === 'try' || priority === 'batch' ? 'SD_REJECTED' : 'waiting'
}

/** The real limit that is compared with the model: the same callers, and their results. */
interface Real {
  readonly limit: Bulkhead | AdaptiveLimit
  readonly callers: { fate: Fate; permit?: Permit; readonly controller: AbortController }[]
}

type Step =
  | { readonly kind: 'try' | 'acquire'; readonly priority: CallPriority | undefined }
  | { readonly kind: 'close' }
  | { readonly kind: 'settle' | 'abort' | 'pass' | 'places' | 'queue'; readonly by: number }

function applyToModel(model: Model, step: Step): void {
  const { callers } = model
  switch (step.kind) {
    case 'try':
    case 'acquire': {
      const fate = fateOf(model, step.kind, step.priority)
      if (fate === 'waiting' && count(model, 'waiting') === 0) model.overloaded = false
      const until = model.now + model.queueTimeoutMs / (model.shortensWaits && model.overloaded ? 10 : 1)
      callers.push({ fate, until, priority: step.priority })
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
      model.now += step.by
      for (const caller of callers.filter(({ fate, until }) => fate === 'waiting' && until <= model.now)) {
        caller.fate = 'SD_REJECTED'
        model.overloaded = true
      }
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
  const { limit, callers } = real
  switch (step.kind) {
    case 'try': {
      const permit = limit.tryAcquire(step as LimitRequest)
      callers.push({ fate: permit ? 'admitted' : 'SD_REJECTED', controller: new AbortController(), ...(permit && { permit }) })
      break
    }
    case 'acquire': {
      const caller: Real['callers'][number] = { fate: 'waiting', controller: new AbortController() }
      callers.push(caller)
      const request = { signal: caller.controller.signal, priority: step.priority }
      Promise.resolve(limit.acquire(request)).then(
        (permit) => Object.assign(caller, { fate: 'admitted', permit }),
        (error: unknown) => Object.assign(caller, { fate: error instanceof SdError ? error.code : String(error) }),
      )
      break
    }
    case 'close':
      limit.close()
      break
    case 'settle': {
      const caller = callers[step.by % callers.length]
      if (!caller?.permit) break
      // Also settles an already settled permit, which must change nothing.
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
      if ('resize' in limit) limit.resize({ maxConcurrent: 1 + (step.by % 4) })
      break
    case 'queue':
      if ('resize' in limit) limit.resize({ maxQueued: step.by % 4 })
      break
  }
  await vi.advanceTimersByTimeAsync(0)
}

const by = fc.nat({ max: 60 })
const priority = fc.constantFrom<(CallPriority | undefined)[]>(undefined, undefined, 'critical', 'default', 'default', 'batch')

function stepsWith(...sizes: ('places' | 'queue')[]): fc.Arbitrary<Step[]> {
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('try' as const), priority }) },
      { weight: 8, arbitrary: fc.record({ kind: fc.constant('acquire' as const), priority }) },
      { weight: 12, arbitrary: fc.record({ kind: fc.constantFrom('settle' as const, 'settle', 'abort', 'pass', ...sizes), by }) },
      { weight: 1, arbitrary: fc.constant<Step>({ kind: 'close' }) },
    ),
    { minLength: 1, maxLength: 60, size: 'max' },
  )
}

const queueTimeoutMs = 100

async function compare(model: Model, limit: Real['limit'], list: readonly Step[]): Promise<void> {
  const real: Real = { limit, callers: [] }
  for (const step of list) {
    applyToModel(model, step)
    await applyToReal(real, step)
    expect(real.callers.map(({ fate }) => fate)).toEqual(model.callers.map(({ fate }) => fate))
    const active = count(model, 'admitted')
    const waiting = count(model, 'waiting')
    expect(limit.load).toEqual({ max: model.maxConcurrent, active, waiting })
    expect(limit.statistics()).toMatchObject({ active, queued: waiting })
    // One timer per waiting call, and one that detects a blocked process.
    expect([waiting, waiting + 1]).toContain(vi.getTimerCount())
  }
  limit.close()
  await vi.advanceTimersByTimeAsync(0)
}

const counts = [fc.integer({ min: 1, max: 4 }), fc.nat({ max: 4 })] as const

test('a bulkhead behaves like a plain model in random sequences', async () => {
  const steps = stepsWith('places', 'queue')
  const property = fc.asyncProperty(steps, ...counts, async (list, maxConcurrent, maxQueued) => {
    const size = { maxConcurrent, maxQueued, queueTimeoutMs }
    const model = { ...size, now: 0, closed: false, overloaded: false, shortensWaits: false, callers: [] }
    await compare(model, createBulkhead(size), list)
  })
  await fc.assert(property, { numRuns: 300, seed: 11 })
})

test('an adaptive limit with a constant limit does too, and shortens waits under overload', async () => {
  const property = fc.asyncProperty(stepsWith(), ...counts, async (list, maxConcurrent, maxQueued) => {
    const size = { maxConcurrent, maxQueued, queueTimeoutMs }
    const model = { ...size, now: 0, closed: false, overloaded: false, shortensWaits: true, callers: [] }
    const bounds = { minLimit: maxConcurrent, maxLimit: maxConcurrent, initialLimit: maxConcurrent, maxEventLoopDelayMs: 0 }
    await compare(model, createAdaptiveLimit({ ...bounds, maxQueued, queueTimeoutMs }), list)
  })
  await fc.assert(property, { numRuns: 300, seed: 11 })
})
