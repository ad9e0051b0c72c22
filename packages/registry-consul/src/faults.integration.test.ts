import { FAULT_TIMEOUT_MS, registryFaults } from '@sd/test-faults'
import { type ConsulServer, obtainServer, startConsul, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createConsulRegistry } from './index.ts'

const consul = await obtainServer('consul', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(consul && toxiproxy)('registry faults', () => {
  let server: ConsulServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!consul || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startConsul(consul), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const cases = registryFaults({
    operationTimeoutMs: 2_000,
    name: 'consul',
    ttlMs: 3_000,
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, scope) =>
      createConsulRegistry({ servers: [`127.0.0.1:${port}`], prefix: `${scope}-`, operationTimeoutMs: 2_000 }),
    async writeGarbage(scope, texts) {
      for (const [index, text] of texts.entries()) {
        await server.call('PUT', '/v1/agent/service/register', {
          ...{ ID: `${scope}-orders:garbage-${index}`, Name: `${scope}-orders`, Port: index, Tags: ['', ' x ', text] },
          Checks: [{ CheckID: `sd:${scope}-${index}`, Name: text, Notes: text, TTL: '60s', Status: 'passing' }],
        })
      }
    },
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})
