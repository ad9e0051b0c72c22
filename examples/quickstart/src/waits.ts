import { setTimeout as delay } from 'node:timers/promises'
import { type Discoverer, SdError } from '@sd/core'
import type { Discovery } from '@sd/discovery'

/** Time limit until the client sees a registration, in milliseconds. */
const foundTimeoutMs = 15_000

/** Waits until the client knows this number of instances of a service. @throws SdError `SD_TIMEOUT` */
export async function untilFound(discovery: Discovery, service: string, count: number): Promise<void> {
  const deadline = performance.now() + foundTimeoutMs
  for (;;) {
    const { instances } = await discovery.discover(service)
    if (instances.length >= count) return
    if (performance.now() > deadline) {
      throw new SdError('SD_TIMEOUT', `Only ${instances.length} of ${count} instances of ${service} were found`)
    }
    await delay(50)
  }
}

/**
 * Waits until the lease of an instance has ended: it is no longer listed, or, at first on Nacos, listed as unhealthy.
 *
 * @returns when, by `performance.now()`; `undefined` if `signal` aborts first
 */
export async function untilLeaseEnds(
  registry: Discoverer,
  { service, id }: { readonly service: string; readonly id: string },
  signal: AbortSignal,
): Promise<number | undefined> {
  for await (const { value } of registry.watch(service, { signal })) {
    const isAlive = value?.instances.some((instance) => instance.id === id && instance.health.status !== 'unhealthy')
    if (isAlive === false) return performance.now()
  }
  return undefined
}
