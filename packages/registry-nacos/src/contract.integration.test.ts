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
import { registryContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createNacosRegistry, type NacosRegistryOptions } from './index.ts'

const nacos = await obtainServer('nacos')
const toxiproxy = await obtainServer('toxiproxy')

/** Binds the contract to a server whose port is known when it runs. */
function bindContract(
  server: () => Pick<NacosServer, 'port' | 'grpcPort'>,
  shortestTtlMs: number,
  options: NacosRegistryOptions,
): void {
  let proxy: Toxiproxy
  let front: NacosFront
  beforeAll(async () => {
    if (toxiproxy) [proxy, front] = await Promise.all([startToxiproxy(toxiproxy), startNacosFront(server())])
  }, 60_000)
  afterAll(() => Promise.all([proxy.close(), front.close()]))

  const contract = registryContract({
    capabilities: { conditionalRemove: false },
    shortestTtlMs,
    eventuallyMs: 10_000,
    setup: async () => {
      const namespace = randomUUID()
      return createLinkedClients(proxy, front.port, (port) =>
        createNacosRegistry({
          servers: [`127.0.0.1:${port}`],
          grpcPortOffset: 0,
          namespace,
          ttlMs: shortestTtlMs,
          refreshIntervalMs: 200,
          operationTimeoutMs: 5_000,
          ...options,
        }),
      )
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 180_000 }, run)
}

describe.runIf(nacos && toxiproxy)('registry contract', () => {
  let server: NacosServer
  beforeAll(async () => {
    // rnacos has one time to live for all instances; Nacos has one per instance.
    if (nacos) server = await startNacos(nacos, { unhealthyAfterSeconds: 2, removeAfterSeconds: 4 })
  }, 60_000)
  afterAll(() => server.close())
  for (const api of ['v1', 'grpc'] as const) {
    describe(api, () => bindContract(() => server, 2_000, { api }))
  }
})

// Port on 127.0.0.1 of an official Nacos 3 with `nacos.core.auth.admin.enabled=false`, and
// `nacos.naming.service.metadata.length=200000` for the contract's hostile metadata.
const official = process.env['SD_TEST_NACOS3_LARGE']
for (const api of official ? (['v1', 'v3', 'grpc'] as const) : []) {
  describe(`registry contract, Nacos 3, ${api}`, () =>
    bindContract(() => ({ port: Number(official), grpcPort: Number(official) + 1_000 }), 3_000, {
      api,
      adminApi: true,
      operationTimeoutMs: 5_000,
    }))
}
