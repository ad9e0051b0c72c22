import { createSeededRandom } from '@sd/testing'
import { faults } from './faults.ts'
import { findViolations } from './invariants.ts'
import { balancers, presets } from './presets.ts'
import { runScenario, type Scenario } from './scenario.ts'

const sizes = [1, 2, 3, 5, 20]
const durationsMs = [100, 500, 2_000, 5_000]
const rates = [20, 50, 100]

/** Every preset with every fault and size, `rounds` times; what else there is to choose is drawn by the seed. */
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

/** A scenario on one line; the seed alone finds it again. */
export function describeScenario({ preset, fault, size, balancer, durationMs, rate, seed }: Scenario): string {
  return `${fault.name} for ${durationMs} ms, ${size} instances, ${rate}/s: ${preset.name}, ${balancer} (seed ${seed})`
}

/** What was found: by invariant, fault and preset, each scenario with what was seen. */
export interface MatrixReport {
  /** Number of scenarios that ran. */
  readonly count: number
  /** The kinds of failure, in order. */
  readonly failures: ReadonlyMap<string, readonly string[]>
}

/** Runs those of the scenarios whose description is chosen. */
export async function simulateMatrix(rounds: number, isChosen: (description: string) => boolean): Promise<MatrixReport> {
  const failures = new Map<string, string[]>()
  let count = 0
  for (const scenario of listScenarios(rounds)) {
    const description = describeScenario(scenario)
    if (!isChosen(description)) continue
    count++
    for (const { invariant, detail } of findViolations(scenario, await runScenario(scenario))) {
      const kind = `${invariant} | ${scenario.fault.name} | ${scenario.preset.name}`
      failures.set(kind, [...(failures.get(kind) ?? []), `${description}: ${detail}`])
    }
  }
  return { count, failures }
}
