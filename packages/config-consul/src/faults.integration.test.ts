import { configFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { type ConsulServer, obtainServer, startConsul, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createConsulConfigSource } from './index.ts'
import { deleteKey, putKey } from './testing/kv.ts'

const consul = await obtainServer('consul', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(consul && toxiproxy)('faults', () => {
  let server: ConsulServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!consul || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startConsul(consul), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const cases = configFaults({
    name: 'config-consul',
    keys: ['db/pool/size', 'orders.yaml'],
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, scope) => createConsulConfigSource({ servers: [`127.0.0.1:${port}`], prefix: scope, operationTimeoutMs: 2_000 }),
    write: (scope, key, content) => putKey(server, `${scope}/${key}`, content),
    remove: (scope, key) => deleteKey(server, `${scope}/${key}`),
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})
