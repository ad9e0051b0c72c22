import { randomUUID } from 'node:crypto'
import {
  type ConsulServer,
  createLinkedClients,
  obtainServer,
  startConsul,
  startToxiproxy,
  type Toxiproxy,
} from '@sd/test-servers'
import { registryContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createConsulRegistry } from './index.ts'

const consul = await obtainServer('consul')
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(consul && toxiproxy)('registry contract', () => {
  let server: ConsulServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!consul || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startConsul(consul), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const contract = registryContract({
    shortestTtlMs: 2_000,
    // An agent that has just started reports missed heartbeats up to half a minute late.
    eventuallyMs: 25_000,
    setup: async () => {
      const prefix = `t${randomUUID().slice(0, 8)}-`
      return createLinkedClients(proxy, server.port, (port) => createConsulRegistry({ servers: [`127.0.0.1:${port}`], prefix }))
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 180_000 }, run)
})
