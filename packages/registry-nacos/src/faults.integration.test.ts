import { FAULT_TIMEOUT_MS, registryFaults } from '@sd/test-faults'
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
import { createNacosRegistry } from './index.ts'

const nacos = await obtainServer('nacos', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const ttlMs = 2_000

describe.runIf(nacos && toxiproxy)('faults', () => {
  let server: NacosServer
  let proxy: Toxiproxy
  let front: NacosFront
  beforeAll(async () => {
    if (!nacos || !toxiproxy) return
    const lifetime = { unhealthyAfterSeconds: 2, removeAfterSeconds: 4 }
    ;[server, proxy] = await Promise.all([startNacos(nacos, lifetime), startToxiproxy(toxiproxy)])
    front = await startNacosFront(server)
  }, 60_000)
  afterAll(() => Promise.all([server.close(), proxy.close(), front.close()]))

  describe.each(['v1', 'grpc'] as const)('%s', (api) => {
    const cases = registryFaults({
      operationTimeoutMs: 4_000,
      name: 'nacos',
      ttlMs,
      target: () => ({ server, port: front.port, toxiproxy: proxy }),
      open: (port, scope) =>
        createNacosRegistry({
          api,
          servers: [`127.0.0.1:${port}`],
          grpcPortOffset: 0,
          namespace: scope,
          ttlMs,
          refreshIntervalMs: 200,
          operationTimeoutMs: 4_000,
        }),
      async writeGarbage(scope, texts) {
        for (const [index, text] of texts.entries()) {
          for (const metadata of [
            text,
            JSON.stringify({ 'sd.id': text, 'sd.tags': text, 'sd.health': text, 'sd.weight': text }),
          ]) {
            await fetch(`http://127.0.0.1:${server.port}/nacos/v1/ns/instance`, {
              method: 'POST',
              body: new URLSearchParams({
                namespaceId: scope,
                serviceName: 'DEFAULT_GROUP@@orders',
                ip: index % 2 === 0 ? `10.9.0.${index}` : `not an address ${index}`,
                port: String(index * 7_000 + (metadata.length % 2)),
                weight: index % 3 === 0 ? '-1' : '1e30',
                metadata,
              }),
            })
          }
        }
      },
    })
    for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
  })
})
