import { readFileSync, writeFileSync } from 'node:fs'
import type { Registry } from '@sd/core'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createNacosRegistry } from './index.ts'
import { type Exchange, record, replay } from './testing/exchanges.ts'
import { password, scenarios } from './testing/v3-scenarios.ts'

// Recorded responses of official Nacos 3.0.3, because rnacos, which the other tests use, does not have v3. With the
// address of a Nacos in SD_TEST_NACOS3 (and of one with auth in SD_TEST_NACOS3_GUARDED) the scenarios run on that
// server, and SD_TEST_RECORD=true records its responses.
const file = new URL('./testing/recorded-nacos-3.0.3.json', import.meta.url)
const recorded = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Exchange[]>
const servers = { open: process.env['SD_TEST_NACOS3'], guarded: process.env['SD_TEST_NACOS3_GUARDED'] }

describe('the v3 API', () => {
  const registries: Registry[] = []
  // Requests contain the time of registration, and must equal the recorded ones.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) }))
  afterEach(() => void vi.useRealTimers())
  afterAll(() => {
    if (process.env['SD_TEST_RECORD'] === 'true') writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`)
  })

  for (const [name, scenario] of Object.entries(scenarios)) {
    const address = servers[scenario.server]
    if (scenario.needsServer && !address) continue
    test(`${name} (${address ? `on ${address}` : 'recorded'})`, { timeout: 60_000 }, async () => {
      const exchanges: Exchange[] = []
      const server = await (address ? record(address, exchanges) : replay(recorded[name] ?? []))
      try {
        await scenario.run((options = {}) => {
          const registry = createNacosRegistry({
            servers: [server.endpoint],
            api: 'v3',
            group: 'recorded',
            ttlMs: 60_000,
            refreshIntervalMs: 100,
            ...options,
          })
          registries.push(registry)
          return registry
        }, server.endpoint)
      } finally {
        await Promise.all(registries.splice(0).map((registry) => registry.close()))
        await server.close()
      }
      expect(server.urls.join('\n')).not.toContain(password)
      if (address) recorded[name] = exchanges
    })
  }
})
