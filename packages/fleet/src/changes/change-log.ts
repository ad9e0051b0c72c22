import type { FleetChange } from '../model.ts'
import type { Change, Differ, ModelState } from './change.ts'
import { alertChanges, lockChanges } from './holder-changes.ts'
import { processChanges } from './process-changes.ts'
import { instanceChanges, registryChanges } from './registry-changes.ts'
import { breakerChanges, configChanges, gatewayChanges, panicChanges, registrationChanges } from './state-changes.ts'

/** Most changes that are kept. */
const maxChanges = 1_000

const differs: readonly Differ[] = [
  registryChanges,
  instanceChanges,
  processChanges,
  registrationChanges,
  breakerChanges,
  panicChanges,
  configChanges,
  gatewayChanges,
  lockChanges,
  alertChanges,
]

/** What changed in the last minutes, by comparing each model with the one before it. */
export class ChangeLog {
  readonly #keepMs: number
  #before: ModelState | undefined
  #changes: readonly FleetChange[] = []
  #lastId = 0

  /** @param keepMs how long changes are kept */
  constructor(keepMs: number) {
    this.#keepMs = keepMs
  }

  /** Compares a model with the last one. @returns all changes that are kept, latest first */
  note(after: ModelState): readonly FleetChange[] {
    const oldest = after.at - this.#keepMs
    const step = { before: this.#before, after, oldest }
    const found: Change[] = []
    for (const differ of differs) for (const change of differ(step)) found.push(change)
    this.#before = after
    const added = found.map((change) => ({ id: String(++this.#lastId), ...change }))
    const all = added.length === 0 ? this.#changes : [...added, ...this.#changes].sort((a, b) => b.at - a.at)
    this.#changes = all.filter(({ at }) => at >= oldest).slice(0, maxChanges)
    return this.#changes
  }
}
