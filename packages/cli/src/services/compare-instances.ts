import type { ServiceInstance } from '@sd/core'
import { describeAddress, type InstanceData, toInstanceData } from './instance-data.ts'

/** A difference between the instances of a service in two registries. */
export interface InstanceDifference {
  /** Id of the instance in the registry that has it, the first one if both do. */
  readonly id: string
  readonly kind: 'only-from' | 'only-to' | 'field'
  /** Path of the field that differs, such as `metadata.team`. */
  readonly field?: string
  /** Value in the first registry; the address for an instance that only it has. Secrets are masked. */
  readonly from?: string
  /** The same in the second registry. */
  readonly to?: string
}

/** Fields that belong to the registration and not to the instance. */
const ownOfRegistry: ReadonlySet<string> = new Set(['createdAt', 'updatedAt', 'ttlMs', 'health.checkedAt', 'service'])

/**
 * Compares the instances of a service in two registries. Instances belong together by id, otherwise by address and port:
 * other programs choose other ids. Values are compared before secrets are masked.
 */
export function compareInstances(
  from: readonly ServiceInstance[],
  to: readonly ServiceInstance[],
): readonly InstanceDifference[] {
  const left = new Set(to)
  const find = (instance: ServiceInstance, key: (one: ServiceInstance) => string): ServiceInstance | undefined =>
    [...left].find((other) => key(other) === key(instance))
  const pairs = new Map<ServiceInstance, ServiceInstance>()
  for (const key of [({ id }: ServiceInstance) => id, describeAddress]) {
    for (const instance of from) {
      const other = pairs.has(instance) ? undefined : find(instance, key)
      if (!other) continue
      pairs.set(instance, other)
      left.delete(other)
    }
  }
  return [
    ...from.flatMap((instance) => {
      const other = pairs.get(instance)
      if (other) return compareFields(instance, other)
      return [{ id: instance.id, kind: 'only-from' as const, from: describeAddress(instance) }]
    }),
    ...[...left].map((instance) => ({ id: instance.id, kind: 'only-to' as const, to: describeAddress(instance) })),
  ]
}

function compareFields(from: ServiceInstance, to: ServiceInstance): readonly InstanceDifference[] {
  const [before, after] = [flatten(from), flatten(to)]
  const [shownBefore, shownAfter] = [flatten(toInstanceData(from)), flatten(toInstanceData(to))]
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((field) => !ownOfRegistry.has(field) && before.get(field) !== after.get(field))
    .sort()
    .map((field) => ({
      id: from.id,
      kind: 'field' as const,
      field,
      from: shownBefore.get(field) ?? '',
      to: shownAfter.get(field) ?? '',
    }))
}

/** Values by path; a list is one value. */
function flatten(value: ServiceInstance | InstanceData): ReadonlyMap<string, string> {
  const flat = new Map<string, string>()
  const visit = (part: object, path: string): void => {
    for (const [key, item] of Object.entries(part)) {
      if (item === undefined || item === null) continue
      if (typeof item === 'object' && !Array.isArray(item)) visit(item, `${path}${key}.`)
      else flat.set(`${path}${key}`, Array.isArray(item) ? item.join(', ') : String(item))
    }
  }
  visit(value, '')
  return flat
}
