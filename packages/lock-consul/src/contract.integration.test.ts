import { randomUUID } from 'node:crypto'
import {
  type ConsulServer,
  createLinkedClients,
  obtainServer,
  startConsul,
  startToxiproxy,
  type Toxiproxy,
} from '@sd/test-servers'
import { lockContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createConsulLock } from './index.ts'

const consul = await obtainServer('consul', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(consul && toxiproxy)('lock contract', () => {
  let server: ConsulServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!consul || !toxiproxy) return
    // Sessions shorter than ten seconds, so that the tests are short.
    const config = { session_ttl_min: '1s' }
    ;[server, proxy] = await Promise.all([startConsul(consul, { config }), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const contract = lockContract({
    // Consul keeps a session for up to twice its time to live.
    sessionTtlMs: 4_000,
    eventuallyMs: 10_000,
    setup: async () => {
      const prefix = `test/${randomUUID()}`
      const clients = createLinkedClients(proxy, server.port, (port) =>
        createConsulLock({ servers: [`127.0.0.1:${port}`], prefix, ttlMs: 2_000, operationTimeoutMs: 2_000 }),
      )
      return { ...clients, deleteKey: async (key) => void (await server.call('DELETE', `/v1/kv/${prefix}/${key}`)) }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
})
