import { createSeededRandom } from '@sd/testing'
import { faults } from './faults.ts'
import { findViolations } from './invariants.ts'
import { balancers, presets } from './presets.ts'
import { runScenario, type Scenario } from './scenario.ts'

const sizes = [1, 2, 3, 5, 20]
const durationsMs = [100, 500, 2_000, 5_000]
const rates = [20, 50, 100]

/** Yields every combination of preset, fault and size, `rounds` times. The seed determines the rest. */
export function* listScenarios(rounds: number, firstSeed: number = 1): Generator<Scenario> {
  let seed = firstSeed
  for (let round = 0; round < rounds; round++) {
    for (const fault of faults) {
      for (const preset of presets) {
        for (const size of sizes) {
          const random = createSeededRandom(seed)
          const draw = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
          yield {
            fault,
            preset,
            size,
            balancer: draw(Object.keys(balancers)),
            durationMs: draw(durationsMs),
            rate: draw(rates),
            seed: seed++,
          }
        }
      }
    }
  }
}

/** Describes a scenario on one line. The seed identifies it. */
export function describeScenario({ preset, fault, size, balancer, durationMs, rate, seed }: Scenario): string {
  return `${fault.name} for ${durationMs} ms, ${size} instances, ${rate}/s: ${preset.name}, ${balancer} (seed ${seed})`
}

/** Findings by invariant, fault and preset: each scenario with its observation. */
export interface MatrixReport {
  /** Number of scenarios that ran. */
  readonly count: number
  /** The kinds of failure, in order. */
  readonly failures: ReadonlyMap<string, readonly string[]>
}

/** Runs the scenarios whose description is chosen. */
export async function simulateMatrix(
  rounds: number,
  isChosen: (description: string, seed: number) => boolean,
): Promise<MatrixReport> {
  const failures = new Map<string, string[]>()
  let count = 0
  for (const scenario of listScenarios(rounds)) {
    const description = describeScenario(scenario)
    if (!isChosen(description, scenario.seed)) continue
    count++
    for (const { invariant, detail } of findViolations(scenario, await runScenario(scenario))) {
      const kind = `${invariant} | ${scenario.fault.name} | ${scenario.preset.name}`
      failures.set(kind, [...(failures.get(kind) ?? []), `${description}: ${detail}`])
    }
  }
  return { count, failures }
}
