import type { FleetInstance } from '../model.ts'
import { quoted, short } from '../rules/words.ts'
import { type Change, type Differ, differences, type ModelState, type Tracked } from './change.ts'

interface Listed {
  readonly service: string
  readonly instance: FleetInstance
}

/** Instances that join and leave, and changes of their health, version and weight. */
export const instanceChanges: Differ = function* (step): Iterable<Change> {
  for (const { before, after, at } of differences(step, listInstances, sameInstance)) {
    const { service, instance } = (after ?? before) as Listed
    const { instanceId, processId } = instance
    const about = { service, instanceId, processId }
    const name = `${short(instanceId)} of ${short(service)}`
    if (!before) yield { at, kind: 'instance', about, severity: 'info', text: `${name} joined` }
    else if (!after) yield { at, kind: 'instance', about, severity: 'warning', text: `${name} left` }
    else yield* describeChange(about, name, before.instance, after.instance, step.after.at)
  }
}

function* describeChange(
  about: Change['about'],
  name: string,
  before: FleetInstance,
  after: FleetInstance,
  at: number,
): Iterable<Change> {
  if (before.health !== after.health) {
    const severity = after.health === 'unhealthy' ? 'warning' : 'info'
    yield { at, kind: 'health', about, severity, text: `${name} is ${after.health}${quoted(after.healthMessage)}` }
  }
  if (before.version !== after.version) {
    const text = `${name} has version ${short(after.version ?? 'none')}, before ${short(before.version ?? 'none')}`
    yield { at, kind: 'version', about, severity: 'info', text }
  }
  if (before.weight !== after.weight) {
    yield { at, kind: 'instance', about, severity: 'info', text: `${name} has weight ${after.weight}, before ${before.weight}` }
  }
}

function listInstances({ services }: ModelState): ReadonlyMap<string, Tracked<Listed>> {
  return new Map(
    services.flatMap(({ service, instances }) =>
      instances.map((instance) => [
        `${service}\n${instance.instanceId}`,
        { value: { service, instance }, at: instance.createdAt },
      ]),
    ),
  )
}

function sameInstance({ instance: a }: Listed, { instance: b }: Listed): boolean {
  return a.health === b.health && a.version === b.version && a.weight === b.weight
}

/** The registry becomes unreachable, or reachable again. */
export const registryChanges: Differ = function* ({ before, after }): Iterable<Change> {
  const wasStale = before?.registry.staleSince !== undefined
  const isStale = after.registry.staleSince !== undefined
  if (wasStale === isStale) return
  yield {
    at: after.registry.staleSince ?? after.at,
    kind: 'registry',
    about: {},
    severity: isStale ? 'critical' : 'info',
    text: `The registry ${short(after.registry.name)} is ${isStale ? 'unreachable' : 'reachable again'} from here`,
  }
}
