import type { FleetProcess } from '../model.ts'
import { atReader } from '../rules/rule.ts'
import { short } from '../rules/words.ts'
import { type Change, type Differ, differences, type ModelState, type Tracked } from './change.ts'

interface Held {
  readonly name: string
  readonly process: FleetProcess
}

/** Locks that are acquired, released, or move to another process. */
export const lockChanges: Differ = function* (step): Iterable<Change> {
  for (const { before, after, at } of differences(step, listLocks, (a, b) => a.process.processId === b.process.processId)) {
    const { name, process } = (after ?? before) as Held
    const text = !after
      ? `${short(process.name)} no longer holds the lock ${short(name)}`
      : before
        ? `The lock ${short(name)} moved from ${short(before.process.name)} to ${short(process.name)}`
        : `${short(process.name)} holds the lock ${short(name)}`
    yield { at, kind: 'lock', about: { processId: process.processId }, severity: 'info', text }
  }
}

/** The holder of each lock. Of several, the one that acquired it last: the others have not noticed yet. */
function listLocks({ processes }: ModelState): ReadonlyMap<string, Tracked<Held>> {
  const held = new Map<string, Tracked<Held>>()
  for (const process of processes) {
    for (const { lock, key, since } of process.locks) {
      const name = `${lock}/${key}`
      const at = atReader(process, since) ?? 0
      const known = held.get(name)
      if (!known || (known.at ?? 0) < at) held.set(name, { value: { name, process }, at })
    }
  }
  return held
}

interface Firing {
  readonly rule: string
  readonly service: string | undefined
  readonly process: FleetProcess
}

/** Alerts that fire and end. */
export const alertChanges: Differ = function* (step): Iterable<Change> {
  for (const { before, after, at } of differences(step, listFiring, () => true)) {
    const { rule, service, process } = (after ?? before) as Firing
    yield {
      at,
      kind: 'alert',
      about: { rule, service, processId: process.processId },
      severity: after ? 'warning' : 'info',
      text: `Alert ${short(rule)}${service === undefined ? '' : ` of ${short(service)}`} ${after ? 'fires' : 'has ended'} in ${short(process.name)}`,
    }
  }
}

function listFiring({ processes }: ModelState): ReadonlyMap<string, Tracked<Firing>> {
  return new Map(
    processes.flatMap((process) =>
      process.alerts.flatMap(({ alerts }) =>
        alerts
          .filter(({ state }) => state === 'firing')
          .map(({ id, rule, labels, firingAt }) => [
            `${process.processId}\n${id}`,
            { value: { rule, service: labels['service'], process }, at: atReader(process, firingAt) },
          ]),
      ),
    ),
  )
}
