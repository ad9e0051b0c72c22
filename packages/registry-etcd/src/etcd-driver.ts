import { encodeInstance, type RegistrationDriver, readIncarnation } from '@sd/adapter-kit'
import type { EtcdConnection } from '@sd/connection-etcd'
import type { ServiceInstance } from '@sd/core'
import type { SharedLease } from './shared-lease.ts'

/**
 * Creates the driver that writes, renews and removes instances.
 *
 * @param keyOf returns the key of an instance
 * @param leaseOf returns the lease to which the key is bound
 */
export function createEtcdDriver(
  connection: EtcdConnection,
  keyOf: (instance: ServiceInstance) => string,
  leaseOf: (instance: ServiceInstance) => SharedLease,
): RegistrationDriver {
  return {
    async put(instance, { incarnation }) {
      const text = encodeInstance(instance, incarnation)
      const lease = leaseOf(instance)
      const write = async (): Promise<void> => {
        const id = await lease.id()
        await connection.run((client) => client.put(keyOf(instance)).value(text).lease(id).exec())
      }
      await write().catch(async (error: unknown) => {
        // The lease ended in the meantime: try once more with a new one. The keeper repeats anything else.
        if (await lease.renew()) throw error
        await write()
      })
    },
    async renew(instance, { incarnation }) {
      const key = keyOf(instance)
      const lease = leaseOf(instance)
      const [isAlive, { kvs }] = await Promise.all([lease.renew(), connection.run((client) => client.get(key).exec())])
      const [entry] = kvs
      if (!isAlive || !entry) return 'lost'
      if (readIncarnation(entry.value.toString()) !== incarnation) return 'superseded'
      // A manual write to the key detaches it from its lease, and it would never expire.
      return entry.lease === (await lease.id()) ? 'renewed' : 'lost'
    },
    async remove(instance, { incarnation }) {
      const key = keyOf(instance)
      await connection.run(async (client) => {
        const text = await client.get(key).string()
        if (text === null || readIncarnation(text) !== incarnation) return
        await client.if(key, 'Value', '==', text).then(client.delete().key(key)).commit()
      })
    },
  }
}
