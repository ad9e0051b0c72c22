import { type AllServices, collectServices, type ServiceSnapshot } from '@sd/core'

/**
 * Returns `all` with some services replaced, or removed if their snapshot has no instance. Returns `all` itself if
 * nothing changes.
 */
export function replaceServices(all: AllServices, changed: readonly ServiceSnapshot[]): AllServices {
  const names = new Set(changed.map(({ service }) => service))
  const kept = Array.from(all.values()).filter(({ service }) => !names.has(service))
  return collectServices([...kept, ...changed], all)
}
