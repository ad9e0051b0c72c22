import type { FleetModel } from '@sd/fleet'
import type { ListName } from '../protocol.ts'

/** The lists of a model. The page and the server use the same, so this file imports nothing at run time. */
export const LIST_NAMES: readonly ListName[] = ['services', 'processes', 'edges', 'problems', 'changes']

const keys: { readonly [Name in ListName]: (item: FleetModel[Name][number]) => string } = {
  services: ({ service }) => service,
  processes: ({ processId }) => processId,
  edges: ({ from, to }) => `${from}\n${to}`,
  problems: ({ id }) => id,
  changes: ({ id }) => id,
}

/** The key of an item: the same in each model. */
export function keyOf<Name extends ListName>(name: Name, item: FleetModel[Name][number]): string {
  return keys[name](item)
}
