import { SdError, type ServiceInstance } from '@sd/core'
import type { NacosInstanceKey } from './instance-codec.ts'

/**
 * Tracks which instance of this registry holds which address. Nacos identifies an instance by its address, not by its
 * id.
 */
export interface OwnPlaces {
  /**
   * Reserves a place for an instance.
   *
   * @returns the previous place of the instance, if it was another one
   * @throws SdError `SD_CONFLICT` if another instance of the service holds the place, which Nacos would overwrite
   */
  take(instance: ServiceInstance, place: NacosInstanceKey): NacosInstanceKey | undefined
  /** Releases the place of an instance. @returns the place, if the instance still held it */
  leave(instance: ServiceInstance): NacosInstanceKey | undefined
}

interface Held {
  readonly address: string
  readonly place: NacosInstanceKey
}

/** Creates an empty set of places. */
export function createOwnPlaces(): OwnPlaces {
  const heldById = new Map<string, Held>()
  const idByAddress = new Map<string, string>()

  const idKey = ({ service, id }: ServiceInstance): string => JSON.stringify([service, id])
  const addressKey = ({ service, address, port }: ServiceInstance): string => JSON.stringify([service, address, port])

  return {
    take(instance, place) {
      const [key, address] = [idKey(instance), addressKey(instance)]
      const owner = idByAddress.get(address)
      if (owner !== undefined && owner !== key) {
        const where = `${instance.address}:${instance.port}`
        throw new SdError(
          'SD_CONFLICT',
          `Another instance of ${instance.service} is registered at ${where}: Nacos keeps one instance per address`,
        )
      }
      const before = heldById.get(key)
      if (before && before.address !== address) idByAddress.delete(before.address)
      heldById.set(key, { address, place })
      idByAddress.set(address, key)
      return before && before.address !== address ? before.place : undefined
    },
    leave(instance) {
      const key = idKey(instance)
      const held = heldById.get(key)
      if (held?.address !== addressKey(instance)) return undefined
      heldById.delete(key)
      idByAddress.delete(held.address)
      return held.place
    },
  }
}
