import { randomUUID } from 'node:crypto'
import {
  createLinkedClients,
  obtainServer,
  startToxiproxy,
  startZooKeeper,
  type Toxiproxy,
  type ZooKeeperServer,
} from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createZooKeeperConfigSource } from './index.ts'
import { connectOtherTool, type OtherTool } from './testing/other-tool.ts'

const zookeeper = await obtainServer('zookeeper')
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(zookeeper && toxiproxy)('config source contract', () => {
  let server: ZooKeeperServer
  let proxy: Toxiproxy
  let tool: OtherTool
  beforeAll(async () => {
    if (!zookeeper || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startZooKeeper(zookeeper), startToxiproxy(toxiproxy)])
    tool = connectOtherTool(server.port)
  }, 90_000)
  afterAll(async () => {
    await tool.close()
    await Promise.all([server.close(), proxy.close()])
  })

  const variants: Readonly<Record<string, readonly [string, string]>> = {
    'a tree': ['db/pool', 'db/pool/size'],
    'some keys': ['orders.yaml', 'application.json'],
  }
  for (const [variant, keys] of Object.entries(variants)) {
    const contract = configSourceContract({
      keys,
      canRequire: true,
      largestBytes: 1_000_000,
      cannotHold: ['empty'],
      eventuallyMs: 10_000,
      setup: async () => {
        const prefix = `/test/${randomUUID()}`
        const clients = createLinkedClients(proxy, server.port, (port) =>
          createZooKeeperConfigSource({
            servers: [`127.0.0.1:${port}`],
            prefix,
            ...(variant === 'some keys' && { keys }),
            sessionTimeoutMs: 2_000,
            operationTimeoutMs: 2_000,
          }),
        )
        return {
          ...clients,
          openRequired: async () =>
            createZooKeeperConfigSource({
              servers: [`127.0.0.1:${server.port}`],
              prefix,
              ...(variant === 'some keys' && { keys }),
              operationTimeoutMs: 2_000,
              required: true,
            }),
          write: (key, content) => tool.put(`${prefix}/${key}`, content),
          remove: (key) => tool.remove(`${prefix}/${key}`),
        }
      },
    })
    for (const { name, run } of contract) test(`${variant}: ${name}`, { timeout: 60_000 }, run)
  }
})
