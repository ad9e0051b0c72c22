import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createOutlierDetection } from '@sd/outlier-detection'
import { createStaticRegistry } from '@sd/registry-static'
import { instanceFails } from './acts/instance-fails.ts'
import { instanceIsSlow } from './acts/instance-is-slow.ts'
import { outliers } from './acts/outliers.ts'
import { serviceFails } from './acts/service-fails.ts'
import { startInstances } from './instance.ts'
import type { ResilienceOptions } from './options.ts'
import { createPolicies } from './policies.ts'
import { createScreen } from './screen.ts'
import { createStage } from './stage.ts'
import { renderSummary } from './summary.ts'
import { createWitness } from './witness.ts'

/** Duration of the story in beats, without waiting. */
const storyBeats = 40

/**
 * Plays the story: one instance fails, the whole service fails, one instance is slow, outliers are ejected.
 *
 * @returns whether all promises were seen
 */
export async function runResilience(options: ResilienceOptions, output: NodeJS.WriteStream): Promise<boolean> {
  const beatMs = Math.round((options.seconds * 1_000) / storyBeats)
  const screen = createScreen(output)
  // More than one service, because P2C would remember the outage of `orders` for a while: a failure adds a second of latency.
  const orders = await startInstances('orders', 5)
  const prices = await startInstances('prices', 5)
  const stock = await startInstances('stock', 5)
  const all = [...orders, ...prices, ...stock]
  const source = createStaticRegistry({
    instances: all.map(({ service, id, port }) => ({ service, id, port, address: '127.0.0.1' })),
  })
  const outlierDetection = createOutlierDetection({ baseEjectionMs: 4 * beatMs, maxEjectedShare: 1, rampMs: beatMs })
  const discovery = createDiscovery({ source, services: { stock: { monitors: [outlierDetection] } } })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), timeoutMs: 5_000 })
  const witness = createWitness(screen)
  const stage = createStage({ client, policies: createPolicies(options, beatMs), witness, screen, beatMs })
  try {
    screen.write(`Three services of five instances each, 150 calls a second, breakers on ${options.breaker}\n`)
    await instanceFails(stage, orders)
    await serviceFails(stage, orders)
    await instanceIsSlow(stage, prices)
    await outliers(stage, stock)
  } finally {
    await client.close()
    await discovery.close()
    await source.close()
    await Promise.all(all.map((instance) => instance.close()))
    witness.close()
  }
  screen.write(renderSummary(stage))
  return stage.promises.every(({ isKept }) => isKept)
}
