import { setTimeout as delay } from 'node:timers/promises'
import { type Discoverer, SdError } from '@sd/core'
import type { Discovery } from '@sd/discovery'

/** How long a registration may take to be seen by the client, in milliseconds. */
const foundTimeoutMs = 15_000

/** Waits until the client knows so many instances of a service. @throws SdError `SD_TIMEOUT` */
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
 * Waits until an instance's lease has ended: it is listed no more, or, as Nacos does at first, as unhealthy.
 *
 * @returns when, by `performance.now()`; `undefined` if `signal` came first
 */
export async function untilGone(
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
