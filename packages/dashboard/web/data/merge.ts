import type { FleetModel } from '@sd/fleet'
import { keyOf } from '../../src/model/model-keys.ts'
import type { ListName, ModelUpdate } from '../../src/protocol.ts'

type Lists = { readonly [Name in ListName]: ReadonlyMap<string, FleetModel[Name][number]> }

const names: readonly ListName[] = ['services', 'processes', 'edges', 'problems', 'changes']
const ranks = { critical: 0, warning: 1, info: 2 }

/** Keeps the model from updates. Items that did not change stay the same objects. */
export function createMerger(): (update: ModelUpdate) => FleetModel | undefined {
  let lists: Lists | undefined
  let head: Pick<FleetModel, 'at' | 'registry' | 'omitted'> | undefined

  return (update) => {
    if (update.kind === 'whole') {
      const { model } = update
      head = model
      lists = Object.fromEntries(
        names.map((name) => [name, new Map(model[name].map((item) => [keyOf(name, item as never), item]))]),
      ) as unknown as Lists
    } else {
      // An update without a model before it: the next connection begins with the whole model.
      if (!lists) return undefined
      head = update
      for (const name of names) apply(name, lists[name] as Map<string, never>, update)
    }
    const { at, registry, omitted } = head
    return { at, registry, omitted, ...sortLists(lists) }
  }
}

function apply(name: ListName, list: Map<string, never>, update: Extract<ModelUpdate, { readonly kind: 'changes' }>): void {
  const change = update.lists[name]
  if (!change) return
  for (const key of change.removed) list.delete(key)
  for (const item of change.put) list.set(keyOf(name, item as never), item as never)
}

function sortLists(lists: Lists): Pick<FleetModel, ListName> {
  return {
    services: [...lists.services.values()].sort((a, b) => (a.service < b.service ? -1 : 1)),
    processes: [...lists.processes.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    edges: [...lists.edges.values()],
    problems: [...lists.problems.values()].sort(
      (a, b) => ranks[a.severity] - ranks[b.severity] || (b.since ?? 0) - (a.since ?? 0),
    ),
    changes: [...lists.changes.values()].sort((a, b) => b.at - a.at),
  }
}
