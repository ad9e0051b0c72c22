import { expect, test } from 'vitest'
import { faults } from './faults.ts'
import { findViolations } from './invariants.ts'
import { describeScenario, listScenarios } from './matrix.ts'
import { runScenario, type Scenario, type ScenarioResult } from './scenario.ts'

function scenarioOf(name: string): Scenario {
  for (const scenario of listScenarios(1)) {
    if (scenario.fault.name === name && scenario.preset.name === 'resilient' && scenario.size === 3) {
      return { ...scenario, durationMs: 1_000, rate: 100 }
    }
  }
  throw new Error(`No fault ${name}`)
}

const calls = Array.from({ length: 1_500 }, (_, index) => ({
  at: index * 10,
  method: 'GET',
  endedAt: index * 10 + 5,
  failure: undefined,
}))
const fine: ScenarioResult = {
  faultAt: 3_000,
  loadEndedAt: 15_000,
  calls,
  attempts: calls.map(({ at, method }) => ({ at, method, server: 0, diedWithServer: false })),
  starvedMs: [0, 0, 0],
  outMs: [0, 0, 0],
  active: 0,
  permits: 0,
  timersLeft: 0,
}

function failing(from: number, to: number): ScenarioResult['calls'] {
  return calls.map((call) => (call.at >= from && call.at < to ? { ...call, failure: 'SD_UNAVAILABLE' } : call))
}

const planted: [string, string, Partial<ScenarioResult>][] = [
  ['failures after the end of a fault', 'failures end', { calls: failing(3_000, 4_500) }],
  ['failures before it', 'loss', { calls: failing(100, 200) }],
  ['failures although two of three instances serve', 'loss', { calls: failing(3_000, 4_000) }],
  ['two attempts for each call', 'amplification', { attempts: fine.attempts.flatMap((attempt) => [attempt, attempt]) }],
  ['an instance without traffic', 'starved', { starvedMs: [0, 9_000, 0] }],
  ['an instance that stays out', 'out', { outMs: [0, 12_000, 0] }],
  ['attempts that stay active', 'active', { active: 1 }],
  ['permits that are not released', 'permits', { permits: 2 }],
  ['timers that are left', 'timers', { timersLeft: 1 }],
  [
    'a call that outlives its deadline',
    'unsettled',
    { calls: calls.with(7, { at: 70, method: 'GET', endedAt: Infinity, failure: undefined }) },
  ],
]

for (const [name, invariant, change] of planted) {
  test(`${name}: found`, () => {
    const found = findViolations(scenarioOf('one refuses'), { ...fine, ...change })
    expect(found.map((violation) => violation.invariant)).toContain(invariant)
  })
}

test('a correct run has no violation, nor has a run in which all calls failed during the fault', () => {
  expect(findViolations(scenarioOf('one refuses'), fine)).toEqual([])
  expect(findViolations(scenarioOf('all refuse'), { ...fine, calls: failing(3_000, 4_000) })).toEqual([])
})

test('a scenario gives the same result each time, and its description names the seed', async () => {
  const scenario = scenarioOf('one flaps: refuses')
  expect(await runScenario(scenario)).toEqual(await runScenario(scenario))
  expect(describeScenario(scenario)).toContain(`seed ${scenario.seed}`)
})

test('faults do what their names say: calls fail when all instances are affected', async () => {
  for (const name of ['all return 503', 'all refuse', 'all removed and down']) {
    const { calls, faultAt } = await runScenario(scenarioOf(name))
    const during = calls.filter(({ at }) => at > faultAt + 200 && at < faultAt + 800)
    expect(during.filter(({ failure }) => failure === undefined).length).toBeLessThan(during.length / 10)
  }
  expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length)
})
