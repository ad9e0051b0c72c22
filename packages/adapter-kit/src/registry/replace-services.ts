import { type AllServices, collectServices, type ServiceSnapshot } from '@sd/core'

/** The same services with some of them replaced, or taken out where a snapshot has no instance; `all` itself if that changes nothing. */
export function replaceServices(all: AllServices, changed: readonly ServiceSnapshot[]): AllServices {
  const names = new Set(changed.map(({ service }) => service))
  const kept = Array.from(all.values()).filter(({ service }) => !names.has(service))
  return collectServices([...kept, ...changed], all)
}
