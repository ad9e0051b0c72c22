import { checkObject, invalidError, type ReadOnlyRegistry } from '@sd/core'
import type { Composition } from '@sd/factory-kit'

type Members = readonly { readonly registry: ReadOnlyRegistry }[]

/** Creates a failover and its members. If one is invalid, the others are closed. */
export async function composeFailover(
  options: Readonly<Record<string, unknown>>,
  { create, open }: Composition<ReadOnlyRegistry>,
): Promise<ReadOnlyRegistry> {
  const members = await openMembers(options['members'], open)
  try {
    return create({ ...options, members })
  } catch (error) {
    await closeMembers(members)
    throw error
  }
}

async function openMembers(value: unknown, open: Composition<ReadOnlyRegistry>['open']): Promise<Members> {
  if (!Array.isArray(value)) throw invalidError('members', value, 'an array of { registry: a URL or a configuration object, … }')
  const members: { registry: ReadOnlyRegistry }[] = []
  try {
    for (const [index, member] of value.entries()) {
      const path = `members[${index}].registry`
      const { registry: config } = checkObject(`members[${index}]`, member)
      if (typeof config !== 'string') checkObject(path, config)
      members.push({ ...(member as object), registry: await open(path, config) })
    }
  } catch (error) {
    await closeMembers(members)
    throw error
  }
  return members
}

async function closeMembers(members: Members): Promise<void> {
  await Promise.allSettled(members.map(({ registry }) => registry.close()))
}
