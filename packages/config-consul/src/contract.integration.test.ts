import { randomUUID } from 'node:crypto'
import {
  type ConsulServer,
  createLinkedClients,
  obtainServer,
  startConsul,
  startToxiproxy,
  type Toxiproxy,
} from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createConsulConfigSource } from './index.ts'
import { deleteKey, putKey } from './testing/kv.ts'

const consul = await obtainServer('consul')
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(consul && toxiproxy)('config source contract', () => {
  let server: ConsulServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!consul || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startConsul(consul), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const contract = configSourceContract({
    keys: ['db/pool/size', 'orders.yaml'],
    canRequire: true,
    largestBytes: 524_288,
    eventuallyMs: 10_000,
    setup: async () => {
      const prefix = `test/${randomUUID()}`
      return {
        ...createLinkedClients(proxy, server.port, (port) =>
          createConsulConfigSource({ servers: [`127.0.0.1:${port}`], prefix, operationTimeoutMs: 2_000 }),
        ),
        openRequired: async () =>
          createConsulConfigSource({
            servers: [`127.0.0.1:${server.port}`],
            prefix,
            operationTimeoutMs: 2_000,
            required: true,
          }),
        write: (key, content) => putKey(server, `${prefix}/${key}`, content),
        remove: (key) => deleteKey(server, `${prefix}/${key}`),
      }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
})
