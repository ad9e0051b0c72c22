import type { ServiceInstance } from '@sd/core'
import type { InstanceSelector } from '../table/table.ts'

/** Prepares the conditions of a target. @returns `undefined` if all instances meet them */
export function compileSelector({
  version,
  metadata = {},
}: InstanceSelector = {}): ((instance: ServiceInstance) => boolean) | undefined {
  const values = Object.entries(metadata)
  if (version === undefined && values.length === 0) return undefined
  return (instance) =>
    (version === undefined || isVersion(instance.version, version)) &&
    values.every(([key, value]) => instance.metadata[key] === value)
}

/** Whether a version begins with the parts of `wanted`; a `v` before it and what follows `-` or `+` have no effect. */
function isVersion(version: string | undefined, wanted: string): boolean {
  if (version === undefined) return false
  if (version === wanted) return true
  const [given, prefix] = [version, wanted].map((text) => text.replace(/^v(?=\d)/, '')) as [string, string]
  return given === prefix || (given.startsWith(prefix) && /^[.+-]/.test(given.slice(prefix.length)))
}
