import { type RegistryCapabilities, SdError } from '@sd/core'
import type { Member } from './member.ts'

/** Returns the capabilities of all members together. */
export function capabilitiesOf(members: readonly Member[]): RegistryCapabilities {
  const read = members.flatMap(({ settings }) => (settings.read ? [settings.source.capabilities] : []))
  const written = members.flatMap(({ settings }) => (settings.registry ? [settings.registry.capabilities] : []))
  return {
    register: written.length > 0,
    watch: read.every(({ watch }) => watch === 'push') ? 'push' : 'poll',
    listServices: read.every(({ listServices }) => listServices),
    ...(read.length > 0 && read.every(({ watchAll }) => watchAll) && { watchAll: true }),
    ttl: written.length > 0 && written.every(({ ttl }) => ttl),
    // Only if all members that are read have it: an instance can be on any of them.
    healthChecks: read.length > 0 && read.every(({ healthChecks }) => healthChecks === true),
    conditionalRemove: written.length > 0 && written.every(({ conditionalRemove }) => conditionalRemove),
  }
}

/** @throws SdError `SD_UNSUPPORTED` unless every member that is read can list its services */
export function checkListable(name: string, members: readonly Member[]): void {
  if (!capabilitiesOf(members).listServices) throw new SdError('SD_UNSUPPORTED', `A member of ${name} can't list services`)
}

/** @throws SdError `SD_UNSUPPORTED` unless every member that is read can watch all services */
export function checkWatchable(name: string, members: readonly Member[]): void {
  if (capabilitiesOf(members).watchAll) return
  throw new SdError('SD_UNSUPPORTED', `A member of ${name} can't watch all services over one stream`)
}
