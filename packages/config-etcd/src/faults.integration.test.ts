import { configFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createEtcdConfigSource } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && toxiproxy)('faults', () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  /** A client for one operation: one that has seen the server unreachable would not use it for a while. */
  async function run(operation: (client: Etcd3) => Promise<unknown>): Promise<void> {
    const client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
    await operation(client).finally(() => client.close())
  }

  const cases = configFaults({
    name: 'config-etcd',
    keys: ['db/pool/size', 'orders.yaml'],
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, scope) =>
      createEtcdConfigSource({ servers: [`127.0.0.1:${port}`], prefix: `/${scope}`, operationTimeoutMs: 2_000 }),
    write(scope, key, content) {
      const value = typeof content === 'string' ? content : Buffer.from(content)
      return run((client) => client.put(`/${scope}/${key}`).value(value).exec())
    },
    remove: (scope, key) => run((client) => client.delete().key(`/${scope}/${key}`).exec()),
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})
