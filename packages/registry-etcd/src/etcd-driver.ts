import { encodeInstance, type RegistrationDriver, readIncarnation } from '@sd/adapter-kit'
import type { EtcdConnection } from '@sd/connection-etcd'
import type { ServiceInstance } from '@sd/core'
import type { SharedLease } from './shared-lease.ts'

/**
 * Writes, renews and removes instances.
 *
 * @param keyOf the key of an instance
 * @param leaseOf the lease that its key is bound to
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
        // The lease ended meanwhile: once more with a new one. Anything else is the keeper's to repeat.
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
      // Whoever writes to it by hand takes off its lease: then it would stay for ever.
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
