import { splitPortReference } from '@sd/core'
import type { ProcessEntry } from '../process/process-table.ts'

/** An instance of a service. */
export interface InstanceName {
  readonly service: string
  readonly instanceId: string
}

/**
 * The instances that the process behind an endpoint is. The registry and the process must agree: an instance whose admin port leads
 * there, and that the process names itself. A process that names none is what the registry says. One that no registry lists is
 * what it says itself.
 */
export function instancesOfProcess({ target, snapshot }: ProcessEntry): readonly InstanceName[] {
  const claimed = snapshot?.info.instances ?? []
  if (claimed.length === 0) return target.instances
  if (target.instances.length === 0) return claimed
  const found = new Set(target.instances.map(keyOfInstance))
  return claimed.filter((instance) => found.has(keyOfInstance(instance)))
}

/** The name of a process in the graph: its first service, or what it calls itself. */
export function callerName(entry: ProcessEntry): string {
  return instancesOfProcess(entry)[0]?.service ?? entry.snapshot?.info.name ?? addressOf(entry)
}

/** A name for people: the id of its instance, with the service if the id does not contain it. */
export function processName(entry: ProcessEntry): string {
  const [first] = instancesOfProcess(entry)
  if (first === undefined) return entry.snapshot?.info.name ?? addressOf(entry)
  const { service, instanceId } = first
  return instanceId.includes(service) ? instanceId : `${service} ${instanceId}`
}

/** `host:port` of an endpoint. */
export function addressOf({ target }: ProcessEntry): string {
  return target.origin.slice(target.origin.indexOf('://') + 3)
}

/** A key for maps. No name contains a line break. */
export function keyOfInstance({ service, instanceId }: InstanceName): string {
  return `${service}\n${instanceId}`
}

/** Returns the service that a called name means: `orders` for `orders:admin`, unless a service is registered under that name. */
export function serviceOfName(name: string, registered: { has(service: string): boolean }): string {
  const reference = registered.has(name) ? undefined : splitPortReference(name)
  return reference && registered.has(reference.service) ? reference.service : name
}
