import { randomUUID } from 'node:crypto'
import {
  createLinkedClients,
  type NacosFront,
  type NacosServer,
  obtainServer,
  startNacos,
  startNacosFront,
  startToxiproxy,
  type Toxiproxy,
} from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createNacosConfigSource } from './index.ts'

const nacos = await obtainServer('nacos', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const group = 'DEFAULT_GROUP'
const dataIds = ['orders.yaml', 'orders'] as const

/** Binds the contract to a server whose port is known only once it runs. */
function bindContract(server: () => { readonly port: number; readonly grpcPort: number }, isOfficial: boolean): void {
  const upstream = (): number => server().port
  let proxy: Toxiproxy
  let front: NacosFront
  beforeAll(async () => {
    if (toxiproxy) [proxy, front] = await Promise.all([startToxiproxy(toxiproxy), startNacosFront(server())])
  }, 60_000)
  afterAll(() => Promise.all([proxy.close(), front.close()]))

  // `auto` finds gRPC.
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
        const { dispose, ...clients } = await createLinkedClients(proxy, front.port, (port) =>
          createNacosConfigSource({ ...options, grpcPortOffset: 0, servers: [`127.0.0.1:${port}`], operationTimeoutMs: 2_000 }),
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
  bindContract(() => server, false)
})

// Address on 127.0.0.1 of an official Nacos 2, or Nacos 3 with v1, without auth.
const official = process.env['SD_TEST_NACOS_OFFICIAL']
if (official && toxiproxy) {
  describe('config source contract, official Nacos, v1', () => {
    const port = Number(official.split(':').at(-1))
    bindContract(() => ({ port, grpcPort: port + 1_000 }), true)
  })
}
