import { createSnapshot, createWatchHub, SdError, type ServiceInstance, type ServiceSnapshot, untilAborted } from '@sd/core'
import type { InstanceSource } from '@sd/discovery'
import type { VirtualTime } from './virtual-time.ts'

/** Time from a change in the registry to the client, in milliseconds. */
const propagationMs = 50

/** A registry whose list is changed by the simulation. */
export interface InstanceList {
  /** Source for discovery. */
  readonly source: InstanceSource
  /** Adds or replaces an instance. */
  add(instance: ServiceInstance): void
  /** Removes an instance. */
  remove(instance: ServiceInstance): void
  /** Whether the registry is reachable. */
  isReachable: boolean
  /** Ends all watches. */
  close(): Promise<void>
}

/** Creates a registry of one service. */
export function createInstanceList(time: VirtualTime): InstanceList {
  const instances = new Map<string, ServiceInstance>()
  const listeners = new Set<() => void>()
  let isReachable = true
  let revision = 0

  function list(): ServiceSnapshot {
    if (!isReachable) throw new SdError('SD_UNAVAILABLE', 'The registry is unreachable')
    return createSnapshot({ service: 'orders', instances: instances.values(), revision: String(revision) })
  }
  function changed(): void {
    revision++
    time.schedule(propagationMs, () => {
      for (const listener of listeners) listener()
    })
  }
  const hub = createWatchHub<ServiceSnapshot>({
    name: 'simulated',
    async session(_service, { offer, signal }) {
      const lost = Promise.withResolvers<void>()
      const onChange = (): void => {
        try {
          offer(list())
        } catch (error) {
          lost.reject(error)
        }
      }
      offer(list())
      listeners.add(onChange)
      try {
        await Promise.race([untilAborted(signal), lost.promise])
      } finally {
        listeners.delete(onChange)
      }
    },
  })
  return {
    source: { getInstances: async () => list(), watch: hub.watch },
    add(instance) {
      instances.set(instance.id, instance)
      changed()
    },
    remove(instance) {
      instances.delete(instance.id)
      changed()
    },
    get isReachable() {
      return isReachable
    },
    set isReachable(value) {
      isReachable = value
      changed()
    },
    close: () => hub.close(),
  }
}
