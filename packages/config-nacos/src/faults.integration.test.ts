import assert from 'node:assert/strict'
import { configFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { type NacosServer, obtainServer, startNacos, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createNacosConfigSource } from './index.ts'

const nacos = await obtainServer('nacos', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const dataIds = ['orders.yaml', 'orders'] as const

describe.runIf(nacos && toxiproxy)('faults', () => {
  let server: NacosServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!nacos || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startNacos(nacos), startToxiproxy(toxiproxy)])
  }, 60_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  async function send(method: string, params: string): Promise<void> {
    const url = `http://127.0.0.1:${server.port}/nacos/v1/cs/configs`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await (method === 'POST'
      ? fetch(url, { method, headers, body: params })
      : fetch(`${url}?${params}`, { method }))
    assert.equal(await response.text(), 'true')
  }
  const place = (tenant: string, dataId: string): string => `${new URLSearchParams({ tenant, group: 'DEFAULT_GROUP', dataId })}`

  const cases = configFaults({
    name: 'nacos-config',
    keys: dataIds,
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, scope) =>
      createNacosConfigSource({
        servers: [`127.0.0.1:${port}`],
        namespace: scope,
        dataIds,
        refreshIntervalMs: 1_000,
        operationTimeoutMs: 2_000,
      }),
    write: (scope, dataId, content) =>
      send('POST', `${place(scope, dataId)}&content=${Buffer.from(content).toString('hex').replace(/../g, '%$&')}`),
    remove: (scope, dataId) => send('DELETE', place(scope, dataId)),
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})
