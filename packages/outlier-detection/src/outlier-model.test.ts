import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createOutlierDetector } from './index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const rules = {
  consecutive5xx: 3,
  intervalMs: 10,
  baseEjectionMs: 30,
  maxEjectionMs: 100,
  maxJitterMs: 0,
  successRate: false,
} as const

type Step =
  | { readonly kind: 'fail' | 'succeed' | 'abort'; readonly host: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'hosts'; readonly count: number }

interface ModelEjection {
  readonly host: number
  readonly at: number
  readonly forMs: number
}

/** A plain model of the rules: keeps all events, and evaluates them again for every decision. */
interface Model {
  nowMs: number
  hosts: number
  readonly maxEjectedPercent: number
  /** Outcomes of each host since it was added or last ejected (or should have been), oldest first. */
  readonly results: boolean[][]
  /** Ejections of the current hosts. */
  ejections: ModelEjection[]
}

function isOut(model: Model, host: number): boolean {
  return model.ejections.some((one) => one.host === host && model.nowMs < one.at + one.forMs)
}

function ejectionTime(model: Model, host: number): number {
  let times = 0
  let healthySince = 0
  for (const { at, forMs } of model.ejections.filter((one) => one.host === host)) {
    times = timesAt(times, healthySince, at)
    healthySince = at + forMs
  }
  return Math.min(rules.baseEjectionMs * timesAt(times, healthySince, model.nowMs), rules.maxEjectionMs)
}

/** Subtracts the intervals during which the host was healthy, one by one. */
function timesAt(before: number, healthySince: number, at: number): number {
  let times = before
  for (let end = healthySince + rules.intervalMs; end <= at && times > 0; end += rules.intervalMs) times--
  // 100 ms is less than four times 30 ms, so the fifth ejection would not be longer.
  return Math.min(4, times + 1)
}

function applyToModel(model: Model, step: Step): void {
  if (step.kind === 'pass') {
    model.nowMs += step.ms
  } else if (step.kind === 'hosts') {
    model.hosts = step.count
    model.ejections = model.ejections.filter(({ host }) => host < step.count)
    for (let host = step.count; host < model.results.length; host++) model.results[host] = []
  } else if (step.kind !== 'abort' && step.host < model.hosts && !isOut(model, step.host)) {
    const results = model.results[step.host] as boolean[]
    results.push(step.kind === 'succeed')
    if (results.length < 3 || results.slice(-3).includes(true)) return
    model.results[step.host] = []
    const out = Array.from({ length: model.hosts }, (_, host) => host).filter((host) => isOut(model, host)).length
    if (out > 0 && (out + 1) * 100 > model.maxEjectedPercent * model.hosts) return
    model.ejections.push({ host: step.host, at: model.nowMs, forMs: ejectionTime(model, step.host) })
  }
}

const host = fc.nat(9)
const outcome: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('fail' as const, 'succeed' as const, 'abort' as const),
  host,
})
const pass: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 9, 10, 30, 60, 90) })
const hosts: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('hosts' as const), count: fc.integer({ min: 2, max: 10 }) })
/** Three failures in a row of one of two hosts. Single failures would rarely eject a host. */
const burst: fc.Arbitrary<Step[]> = fc.nat(1).map((one) => new Array<Step>(3).fill({ kind: 'fail', host: one }))
const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      { weight: 12, arbitrary: burst },
      { weight: 12, arbitrary: outcome.map((step) => [step]) },
      { weight: 10, arbitrary: pass.map((step) => [step]) },
      { weight: 1, arbitrary: hosts.map((step) => [step]) },
    ),
    { minLength: 10, maxLength: 150, size: 'max' },
  )
  .map((lists) => lists.flat())

test('ejects the same hosts as a plain model, for the same time, and never more than the cap', () => {
  let seen = 0
  let longest = 0
  const property = fc.property(steps, fc.constantFrom(10, 29, 50, 100), (list, maxEjectedPercent) => {
    const model: Model = { nowMs: 0, hosts: 10, maxEjectedPercent, results: Array.from({ length: 10 }, () => []), ejections: [] }
    const received: [number, number][] = []
    const detector = createOutlierDetector<number>({
      ...rules,
      maxEjectedShare: maxEjectedPercent / 100,
      onEject: (host, { forMs }) => received.push([host, forMs]),
    })
    const expected: [number, number][] = []
    detector.setHosts(Array.from({ length: 10 }, (_, index) => index))
    for (const step of list) {
      const before = new Set(model.ejections)
      applyToModel(model, step)
      for (const one of model.ejections) if (!before.has(one)) expected.push([one.host, one.forMs])
      if (step.kind === 'pass') vi.advanceTimersByTime(step.ms)
      else if (step.kind === 'hosts') detector.setHosts(Array.from({ length: step.count }, (_, index) => index))
      else if (step.kind === 'abort') detector.observe(step.host, { ok: false, error: new DOMException('', 'AbortError') })
      else detector.observe(step.host, { ok: step.kind === 'succeed' })
      for (let host = 0; host < 10; host++) expect(detector.isEjected(host)).toBe(host < model.hosts && isOut(model, host))
    }
    expect(received).toEqual(expected)
    seen += received.length
    longest = Math.max(longest, ...received.map(([, forMs]) => forMs))
  })
  fc.assert(property, { numRuns: 400, seed: 7 })
  expect(seen, 'a property without ejections proves nothing').toBeGreaterThan(1_000)
  expect(longest).toBe(100)
})
