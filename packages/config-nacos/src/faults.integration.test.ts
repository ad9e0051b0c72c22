import assert from 'node:assert/strict'
import { configFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import {
  type NacosFront,
  type NacosServer,
  obtainServer,
  startNacos,
  startNacosFront,
  startToxiproxy,
  type Toxiproxy,
} from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createNacosConfigSource } from './index.ts'

const nacos = await obtainServer('nacos', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const dataIds = ['orders.yaml', 'orders'] as const

describe.runIf(nacos && toxiproxy)('faults', () => {
  let server: NacosServer
  let proxy: Toxiproxy
  let front: NacosFront
  beforeAll(async () => {
    if (!nacos || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startNacos(nacos), startToxiproxy(toxiproxy)])
    front = await startNacosFront(server)
  }, 60_000)
  afterAll(() => Promise.all([server.close(), proxy.close(), front.close()]))

  async function send(method: string, params: string): Promise<void> {
    const url = `http://127.0.0.1:${server.port}/nacos/v1/cs/configs`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await (method === 'POST'
      ? fetch(url, { method, headers, body: params })
      : fetch(`${url}?${params}`, { method }))
    assert.equal(await response.text(), 'true')
  }
  /** Escapes of all bytes of a large text would take the server seconds. */
  const encodeContent = (content: string | Uint8Array): string =>
    typeof content === 'string' ? encodeURIComponent(content) : Buffer.from(content).toString('hex').replace(/../g, '%$&')
  const place = (tenant: string, dataId: string): string => `${new URLSearchParams({ tenant, group: 'DEFAULT_GROUP', dataId })}`

  describe.each(['v1', 'grpc'] as const)('%s', (api) => {
    // rnacos reads its whole log at each start, also the large texts of the cases before.
    beforeAll(() => server.restartEmpty(), 60_000)
    const cases = configFaults({
      name: 'nacos-config',
      keys: dataIds,
      target: () => ({ server, port: front.port, toxiproxy: proxy }),
      open: (port, scope) =>
        createNacosConfigSource({
          api,
          servers: [`127.0.0.1:${port}`],
          grpcPortOffset: 0,
          namespace: scope,
          dataIds,
          refreshIntervalMs: 1_000,
          operationTimeoutMs: 4_000,
        }),
      write: (scope, dataId, content) => send('POST', `${place(scope, dataId)}&content=${encodeContent(content)}`),
      remove: (scope, dataId) => send('DELETE', place(scope, dataId)),
    })
    for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
  })
})
