import { FAULT_TIMEOUT_MS, registryFaults } from '@sd/test-faults'
import { type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createEtcdRegistry } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const ttlMs = 2_000

describe.runIf(etcd && toxiproxy)('faults', () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const cases = registryFaults({
    operationTimeoutMs: 2_000,
    name: 'etcd',
    ttlMs,
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, scope) =>
      createEtcdRegistry({ servers: [`127.0.0.1:${port}`], prefix: `/${scope}`, ttlMs, operationTimeoutMs: 2_000 }),
    async writeGarbage(scope, texts) {
      const client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
      for (const [index, text] of texts.entries()) await client.put(`/${scope}/orders/garbage-${index}`).value(text)
      await client.put(`/${scope}/orders/deeper/down`).value('{}')
      client.close()
    },
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})
