import type { HeaderRules } from '../table/table.ts'

/** Header fields that rules change. */
interface ChangeableFields {
  setHeader(name: string, value: string): void
  addHeader(name: string, value: string): void
  removeHeader(name: string): void
}

/** Prepares changes of header fields. @returns `undefined` if there are none */
export function compileHeaderRules({
  remove = [],
  set = {},
  add = {},
}: HeaderRules = {}): ((fields: ChangeableFields) => void) | undefined {
  const sets = Object.entries(set)
  const adds = Object.entries(add)
  if (remove.length + sets.length + adds.length === 0) return undefined
  return (fields) => {
    for (const name of remove) fields.removeHeader(name)
    for (const [name, value] of sets) fields.setHeader(name, value)
    for (const [name, value] of adds) fields.addHeader(name, value)
  }
}
