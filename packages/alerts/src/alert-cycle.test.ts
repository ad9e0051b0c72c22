import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AlertCycle, advanceCycle, resolvedForMs } from './alert-cycle.ts'

interface Look {
  readonly at: number
  readonly isTrue: boolean
}

/** The state after the last evaluation, by definition and without memory. */
function stateByDefinition(looks: readonly Look[], durationMs: number, keepFiringMs: number): string {
  const last = looks.length - 1
  const firstOfRun = (index: number): number => {
    let first = index
    while (first > 0 && looks[first - 1]?.isTrue === looks[index]?.isTrue) first--
    return first
  }
  const at = (index: number): number => looks[index]?.at ?? 0
  const lasted = (index: number): number => at(index) - at(firstOfRun(index))
  const isFiring = (index: number): boolean => {
    if (index < 0) return false
    if (looks[index]?.isTrue) return lasted(index) >= durationMs || isFiring(firstOfRun(index) - 1)
    return lasted(index) < keepFiringMs && isFiring(firstOfRun(index) - 1)
  }
  if (isFiring(last)) return 'firing'
  if (looks[last]?.isTrue) return 'pending'
  for (let end = firstOfRun(last); end <= last; end++) {
    if (isFiring(end - 1) && !isFiring(end)) return end === last || at(last) - at(end) < resolvedForMs ? 'resolved' : 'inactive'
  }
  return 'inactive'
}

test('the state matches the definition for any evaluations at any times', () => {
  const anyLooks = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 400_000 }), isTrue: fc.boolean() }), {
    minLength: 1,
    maxLength: 40,
  })
  const anyDuration = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 600_000 }))
  fc.assert(
    fc.property(anyLooks, anyDuration, anyDuration, (steps, durationMs, keepFiringMs) => {
      const looks: Look[] = []
      let cycle: AlertCycle | undefined
      for (const { afterMs, isTrue } of steps) {
        const at = (looks.at(-1)?.at ?? 0) + afterMs
        looks.push({ at, isTrue })
        cycle = advanceCycle(cycle, isTrue, at, { durationMs, keepFiringMs })
        expect(cycle?.state ?? 'inactive').toBe(stateByDefinition(looks, durationMs, keepFiringMs))
      }
    }),
    { seed: 11, numRuns: 1_000 },
  )
})

test('times are reported', () => {
  const timing = { durationMs: 10, keepFiringMs: 5 }
  const pending = advanceCycle(undefined, true, 100, timing)
  expect(pending).toEqual({ state: 'pending', activeAt: 100 })
  const firing = advanceCycle(pending, true, 112, timing)
  expect(firing).toEqual({ state: 'firing', activeAt: 100, firingAt: 112 })
  const kept = advanceCycle(firing, false, 120, timing)
  expect(kept).toEqual({ state: 'firing', activeAt: 100, firingAt: 112, keptSince: 120 })
  expect(advanceCycle(kept, true, 123, timing)).toEqual(firing)
  expect(advanceCycle(kept, false, 125, timing)).toEqual({ state: 'resolved', activeAt: 100, firingAt: 112, resolvedAt: 125 })
})
