import { createSemaphore, type ReadOnlyRegistry, SdError, type ServiceSnapshot } from '@sd/core'

const readsAtOnce = 16

/** Reads all services, sorted by name. @throws SdError `SD_UNSUPPORTED` if the registry can't list them */
export async function readServices(source: ReadOnlyRegistry, signal: AbortSignal): Promise<readonly ServiceSnapshot[]> {
  if (!source.capabilities.listServices) {
    throw new SdError('SD_UNSUPPORTED', `${source.name} can't list its services; name one: sdctl instances <service>`)
  }
  const names = await source.listServices({ signal })
  const places = createSemaphore(readsAtOnce)
  const found = await Promise.all(names.map((name) => places.run(signal, () => source.getInstances(name, { signal }))))
  // A service may lose its last instance between the two reads.
  return found.filter(({ instances }) => instances.length > 0)
}

/** The number with its noun. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
