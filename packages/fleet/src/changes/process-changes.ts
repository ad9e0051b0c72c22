import type { FleetProcess } from '../model.ts'
import { short } from '../rules/words.ts'
import { type Change, type Differ, differences, type ModelState, type Tracked } from './change.ts'

/** Processes that appear, restart, stop answering, and answer again. An endpoint is the same process while its address is. */
export const processChanges: Differ = function* (step): Iterable<Change> {
  for (const { before, after, at } of differences(step, listProcesses, sameProcess)) {
    const { processId, name } = (after ?? before) as FleetProcess
    const about = { processId, ...(after ?? before)?.services[0] }
    if (!before) yield { at, kind: 'process', about, severity: 'info', text: `Process ${short(name)} was found` }
    else if (!after) yield { at, kind: 'process', about, severity: 'info', text: `Process ${short(name)} is no longer listed` }
    else yield* describeChange(about, before, after, step.after.at)
  }
}

function* describeChange(about: Change['about'], before: FleetProcess, after: FleetProcess, at: number): Iterable<Change> {
  const name = short(after.name)
  if (hasRestarted(before, after)) {
    yield { at, kind: 'process', about, severity: 'warning', text: `Process ${name} was restarted` }
  }
  if (before.state === after.state) return
  const texts = { answers: 'answers again', silent: 'does not answer', refuses: 'gives no snapshot' }
  const severity = after.state === 'answers' ? 'info' : 'warning'
  yield { at, kind: 'process', about, severity, text: `Process ${name} ${texts[after.state]}` }
}

function listProcesses({ processes }: ModelState): ReadonlyMap<string, Tracked<FleetProcess>> {
  return new Map(processes.map((process) => [process.address, { value: process, at: process.startedAt }]))
}

function sameProcess(a: FleetProcess, b: FleetProcess): boolean {
  return a.state === b.state && !hasRestarted(a, b)
}

/** The id alone does not tell: of two processes with one id, the model adds the address to the second one. */
function hasRestarted(a: FleetProcess, b: FleetProcess): boolean {
  if (a.startedAt === undefined || b.startedAt === undefined || a.processId === b.processId) return false
  return a.pid !== b.pid || Math.abs(a.startedAt - b.startedAt) > 1_000
}
