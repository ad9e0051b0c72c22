import { randomUUID } from 'node:crypto'
import { createLinkedClients, type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createEtcdConfigSource } from './index.ts'

const etcd = await obtainServer('etcd')
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && toxiproxy)('config source contract', () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  let client: Etcd3
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
    client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
  })
  afterAll(async () => {
    client.close()
    await Promise.all([server.close(), proxy.close()])
  })

  const contract = configSourceContract({
    keys: ['db/pool/size', 'orders.yaml'],
    canRequire: true,
    eventuallyMs: 20_000,
    setup: async () => {
      const prefix = `/test/${randomUUID()}`
      return {
        ...createLinkedClients(proxy, server.port, (port) =>
          createEtcdConfigSource({ servers: [`127.0.0.1:${port}`], prefix, operationTimeoutMs: 5_000 }),
        ),
        openRequired: async () =>
          createEtcdConfigSource({ servers: [`127.0.0.1:${server.port}`], prefix, operationTimeoutMs: 5_000, required: true }),
        write: async (key, content) => void (await client.put(`${prefix}/${key}`).value(content)),
        remove: async (key) => void (await client.delete().key(`${prefix}/${key}`)),
      }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
})
