import { randomUUID } from 'node:crypto'
import { createLinkedClients, type NacosServer, obtainServer, startNacos, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createNacosConfigSource } from './index.ts'

const nacos = await obtainServer('nacos', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const group = 'DEFAULT_GROUP'

describe.runIf(nacos && toxiproxy)('config source contract', () => {
  let server: NacosServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!nacos || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startNacos(nacos), startToxiproxy(toxiproxy)])
  }, 60_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  for (const api of ['auto', 'v1'] as const) {
    const contract = configSourceContract({
      keys: ['orders.yaml', 'orders'],
      cannotHold: ['empty', 'blank'],
      eventuallyMs: 10_000,
      setup: async () => {
        const tenant = randomUUID()
        const send = async (method: string, params: Record<string, string>): Promise<void> => {
          const form = new URLSearchParams({ tenant, group, ...params })
          const url = `http://127.0.0.1:${server.port}/nacos/v1/cs/configs`
          await (method === 'POST' ? fetch(url, { method, body: form }) : fetch(`${url}?${form}`, { method }))
        }
        const clients = await createLinkedClients(proxy, server.port, (port) =>
          createNacosConfigSource({
            endpoints: [`127.0.0.1:${port}`],
            dataIds: ['orders.yaml', 'orders'],
            namespace: tenant,
            api,
            operationTimeoutMs: 2_000,
          }),
        )
        return {
          ...clients,
          write: (dataId, content) => send('POST', { dataId, content }),
          remove: (dataId) => send('DELETE', { dataId }),
        }
      },
    })
    for (const { name, run } of contract) test(`${name} (${api})`, { timeout: 60_000 }, run)
  }
})
