import { randomUUID } from 'node:crypto'
import { createLinkedClients, type NacosServer, obtainServer, startNacos, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createNacosConfigSource } from './index.ts'

const nacos = await obtainServer('nacos', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const group = 'DEFAULT_GROUP'
const dataIds = ['orders.yaml', 'orders'] as const

/** Binds the contract to a server whose port is known only once it runs. */
function bindContract(upstream: () => number, isOfficial: boolean): void {
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (toxiproxy) proxy = await startToxiproxy(toxiproxy)
  }, 60_000)
  afterAll(() => proxy.close())

  for (const api of ['auto', 'v1'] as const) {
    const contract = configSourceContract({
      keys: dataIds,
      canRequire: true,
      capabilities: { compareAndSet: false },
      cannotHold: ['empty', 'blank'],
      eventuallyMs: 10_000,
      setup: async () => {
        const tenant = randomUUID()
        const options = { dataIds, namespace: tenant, api }
        const send = async (method: string, params: Record<string, string>): Promise<void> => {
          const form = new URLSearchParams({ tenant, group, ...params })
          const url = `http://127.0.0.1:${upstream()}/nacos/v1/cs/configs`
          await (method === 'POST' ? fetch(url, { method, body: form }) : fetch(`${url}?${form}`, { method }))
        }
        const tool = createNacosConfigSource({ ...options, servers: [`127.0.0.1:${upstream()}`] })
        const { dispose, ...clients } = await createLinkedClients(proxy, upstream(), (port) =>
          createNacosConfigSource({ ...options, servers: [`127.0.0.1:${port}`], operationTimeoutMs: 2_000 }),
        )
        return {
          ...clients,
          openRequired: async () =>
            createNacosConfigSource({
              ...options,
              servers: [`127.0.0.1:${upstream()}`],
              operationTimeoutMs: 2_000,
              required: true,
            }),
          // Official servers drop the form that `fetch` creates from the longest text.
          write: (dataId, content) =>
            isOfficial ? tool.put(dataId, content).then(() => undefined) : send('POST', { dataId, content }),
          remove: (dataId) => send('DELETE', { dataId }),
          dispose: async () => void (await Promise.all([tool.close(), dispose()])),
        }
      },
    })
    for (const { name, run } of contract) test(`${name} (${api})`, { timeout: 60_000 }, run)
  }
}

describe.runIf(nacos && toxiproxy)('config source contract', () => {
  let server: NacosServer
  beforeAll(async () => {
    if (nacos) server = await startNacos(nacos)
  }, 60_000)
  afterAll(() => server.close())
  bindContract(() => server.port, false)
})

// Address on 127.0.0.1 of an official Nacos 2, or Nacos 3 with v1, without auth.
const official = process.env['SD_TEST_NACOS_OFFICIAL']
if (official && toxiproxy) {
  describe('config source contract, official Nacos, v1', () => bindContract(() => Number(official.split(':').at(-1)), true))
}
