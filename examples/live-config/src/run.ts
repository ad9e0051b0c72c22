import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConfigReport, createMemoryConfigSource, createMemoryConfigStore } from '@sd/config'
import { createEnvironmentKeyring, encryptValue, generateKey } from '@sd/config-crypto'
import { createConfigHistory, createMemoryStore } from '@sd/config-history'
import { createMemoryRegistry } from '@sd/registry-memory'
import { balancer } from './acts/balancer.ts'
import { breaker } from './acts/breaker.ts'
import { canaryRelease } from './acts/canary-release.ts'
import { invalidValue } from './acts/invalid-value.ts'
import { keyRotation } from './acts/key-rotation.ts'
import { layers } from './acts/layers.ts'
import { outage } from './acts/outage.ts'
import { rateLimit } from './acts/rate-limit.ts'
import { retries } from './acts/retries.ts'
import { rollback } from './acts/rollback.ts'
import { startInstances } from './instance.ts'
import { callsPerSecond, startLoad } from './load.ts'
import { createOperator, formatShop, shopKey } from './operator.ts'
import type { LiveConfigOptions } from './options.ts'
import { createScreen } from './screen.ts'
import { type ShopOptions, startShop } from './shop.ts'
import { createStage, renderSummary } from './stage.ts'

/** Duration of the story in beats, without waiting. */
const storyBeats = 19

const token = 'tiger'

/**
 * Plays the story: configuration changes during calls, a broken push, a key rotation, a canary release, an outage and a rollback.
 *
 * @returns whether all promises were seen
 */
export async function runLiveConfig({ seconds }: LiveConfigOptions, output: NodeJS.WriteStream): Promise<boolean> {
  const screen = createScreen(output)
  const folder = await mkdtemp(join(tmpdir(), 'sd-live-config-'))
  const registry = createMemoryRegistry()
  // The shop and its operator have separate connections to the same config center.
  const store = createMemoryConfigStore()
  const center = createMemoryConfigSource({ store, name: 'center' })
  const source = createMemoryConfigSource({ store, name: 'operator' })
  const ends = [() => rm(folder, { recursive: true }), () => registry.close(), () => source.close(), () => center.close()]
  try {
    const key = generateKey('2026-01')
    await writeFile(join(folder, 'keys'), `${key}\n`, { mode: 0o600 })
    await writeFile(join(folder, 'shop.yaml'), 'client:\n  breaker: { minimumCalls: 20 }\n')
    const history = createConfigHistory({ source, key: shopKey, store: createMemoryStore(), author: 'ada' })
    const operator = createOperator(source, history, screen)
    await operator.write(formatShop(await firstVersion(key)), 'begin')

    const orders = await startInstances(registry, 'orders', { weights: [1, 1, 4], token })
    const prices = await startInstances(registry, 'prices', { weights: [1, 1], token })
    ends.push(...[...orders, ...prices].map((instance) => () => instance.close()))
    const reports: ConfigReport[] = []
    const shopOptions: ShopOptions = {
      registry,
      center,
      folder,
      environment: { SHOP_CLIENT__TIMEOUT_MS: '1500', ...process.env },
      onReport(report) {
        reports.push(report)
        screen.report(report)
      },
    }
    const shop = await startShop(shopOptions)
    ends.push(() => shop.close())
    const load = startLoad(shop.client, 'orders')
    ends.push(() => load.stop())

    const beatMs = Math.round((seconds * 1_000) / storyBeats)
    const stage = createStage({ shop, shopOptions, center, operator, reports, orders, prices, load, screen, beatMs })
    screen.write(`\nA client calls three instances of orders, ${callsPerSecond} times a second\n`)
    await layers(stage)
    await balancer(stage)
    await rateLimit(stage)
    await retries(stage)
    await breaker(stage)
    await invalidValue(stage)
    await keyRotation(stage, key)
    await canaryRelease(stage, store)
    await outage(stage)
    await rollback(stage)
    screen.write(renderSummary(stage.promises))
    return stage.promises.every(({ isKept }) => isKept)
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

/** Initial content of the config center: an encrypted token, and a setting for one service. */
async function firstVersion(key: string): Promise<object> {
  const keys = createEnvironmentKeyring({ env: { SD_CONFIG_KEYS: key } })
  const secret = await encryptValue(token, { keys, path: 'client.token' })
  keys.close()
  return { client: { token: secret, services: { orders: { timeoutMs: 2_000 } } } }
}
