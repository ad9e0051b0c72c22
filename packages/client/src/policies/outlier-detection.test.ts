import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createDiscovery } from '@sd/discovery'
import { createOutlierDetection } from '@sd/outlier-detection'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createServiceClient } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

test('a failing server of ten gets five calls, and more after its ejection', async () => {
  const served = new Array<number>(10).fill(0)
  for (const index of served.keys()) {
    await world.serve((_, response) => {
      served[index] = (served[index] ?? 0) + 1
      response.writeHead(index === 4 ? 503 : 200).end()
    })
  }
  // Envoy's maximum share, and only this rule.
  const monitor = createOutlierDetection({ baseEjectionMs: 3_000, maxEjectedShare: 0.1, maxJitterMs: 0 })
  await using discovery = createDiscovery({ source: world.registry, monitors: [monitor], failureAccrual: false })
  await using client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const call = async (): Promise<number> => {
    const response = await client.get('orders', '/')
    await response.text()
    return response.status
  }
  for (let failures = 0; failures < 5; ) if ((await call()) === 503) failures++
  for (let time = 0; time < 30; time++) expect(await call()).toBe(200)
  expect(served[4]).toBe(5)
  await eventually(async () => {
    await call()
    expect(served[4]).toBeGreaterThan(5)
  }, 20_000)
})
