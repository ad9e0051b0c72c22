import type { FleetModel, Ref } from '@sd/fleet'

/** Whether something is about a service, or about one of its processes. */
export function isAbout(about: Ref, service: string, model?: FleetModel): boolean {
  if (about.service === service) return true
  const process =
    about.processId === undefined ? undefined : model?.processes.find(({ processId }) => processId === about.processId)
  return process?.services.some((own) => own.service === service) ?? false
}
