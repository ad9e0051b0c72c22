import { expect, test } from 'vitest'
import { faults } from './faults.ts'
import { findViolations } from './invariants.ts'
import { presets } from './presets.ts'
import { runScenario, type Scenario } from './scenario.ts'

function scenarioOf(fault: string, preset: string, change: Partial<Scenario>): Scenario {
  const found = faults.find(({ name }) => name === fault)
  const set = presets.find(({ name }) => name === preset)
  if (!found || !set) throw new Error(`No ${fault} or ${preset}`)
  return { fault: found, preset: set, balancer: 'round-robin', size: 4, durationMs: 1_500, rate: 800, seed: 1, ...change }
}

test.each([
  ['client stands still', 'defaults', 1_500],
  ['client stands still', 'resilient', 1_500],
  ['client stands still', 'resilient', 4_000],
  ['client stands still', 'resilient without breaker', 1_500],
  ['client starves', 'resilient', 5_000],
  ['client starves', 'resilient without breaker', 5_000],
])(
  '%s under load, %s, for %d ms: its own limits refuse nothing, and a received response is not a timeout',
  async (fault, preset, durationMs) => {
    const scenario = scenarioOf(fault, preset, { durationMs })
    const result = await runScenario(scenario)
    expect(findViolations(scenario, result)).toEqual([])
    // After a standstill the due calls are sent at once, but not twice because they seem late.
    expect(result.attempts.length).toBeLessThan(1.1 * result.calls.length)
  },
  60_000,
)

test.each([1, 7, 8])(
  'the time that an attempt could not use is not part of its limit, seed %i',
  async (seed) => {
    const scenario = scenarioOf('client stands still', 'breaker only', { durationMs: 500, size: 2, rate: 400, seed })
    expect(findViolations(scenario, await runScenario(scenario))).toEqual([])
  },
  60_000,
)
