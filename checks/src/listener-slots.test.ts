import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAlerts } from '@sd/alerts'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createServiceClient } from '@sd/client'
import { createConfig, createMemoryConfigSource, createMemoryConfigStore } from '@sd/config'
import { createFileKeyring } from '@sd/config-crypto'
import { publishTelemetry, SdError, subscribeTelemetry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createHealthReporter } from '@sd/health'
import { createHedge } from '@sd/hedge'
import { createLifecycle } from '@sd/lifecycle'
import { createLogger } from '@sd/logging-pino'
import { createOpenTelemetryMetrics } from '@sd/metrics-opentelemetry'
import { createMetrics } from '@sd/metrics-prometheus'
import { createOutlierDetector } from '@sd/outlier-detection'
import { createFailoverRegistry } from '@sd/registry-failover'
import { createMemoryRegistry, createMemoryStore } from '@sd/registry-memory'
import { retry } from '@sd/retry'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

// Tests every place where an application passes a listener to a package, with listeners that fail in every way. vitest fails on
// uncaught exceptions and unhandled rejections; these tests check that other listeners are still called.

type Listener = (...values: readonly unknown[]) => never

const instance = { service: 'orders', address: '10.0.0.1', port: 80 }

/** Each calls `listener` at least once, and resolves when it was called. If there can be several, `neighbour` is added after it. */
const slots: Readonly<Record<string, (listener: Listener, neighbour: () => void) => Promise<void>>> = {
  async 'alerts.onChange'(listener, neighbour) {
    const rule = { name: 'high', metric: 'm', condition: '>', threshold: 1, durationMs: 0, severity: 'critical' } as const
    await using alerts = createAlerts({ source: () => [{ name: 'm', labels: {}, value: 2 }], rules: [rule], onError: () => {} })
    alerts.onChange(listener)
    alerts.onChange(neighbour)
    await alerts.evaluate()
  },
  async 'alerts onError'(listener, neighbour) {
    const source = () => Promise.reject(new Error('down'))
    await using alerts = createAlerts({ source, rules: [], onError: listener })
    await alerts.evaluate()
    await alerts.evaluate()
    neighbour()
  },
  async 'breaker-cockatiel onStateChange'(listener, neighbour) {
    const breaker = createCockatielBreaker({ window: { kind: 'count', size: 1 } })
    breaker.onStateChange(listener)
    breaker.onStateChange(neighbour)
    breaker.open()
  },
  async 'breaker-opossum onStateChange'(listener, neighbour) {
    const breaker = createOpossumBreaker({ window: { kind: 'count', size: 1 } })
    breaker.onStateChange(listener)
    breaker.onStateChange(neighbour)
    breaker.open()
  },
  async 'client explain'(listener, neighbour) {
    await using registry = createMemoryRegistry()
    await using discovery = createDiscovery({ source: registry, readyTimeoutMs: 100 })
    await using client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
    await expect(client.get('orders', '/', { explain: listener })).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    neighbour()
  },
  async 'config.onChange'(listener, neighbour) {
    const source = createMemoryConfigSource({ entries: { size: '1' } })
    await using config = await createConfig({ sources: [source], coalesceMs: 0, onReport: () => {} })
    config.onChange('size' as never, listener)
    config.onChange('size' as never, neighbour)
    await source.put('size', '2')
    await expect.poll(() => config.version).toBe(2)
  },
  async 'config onReport'(listener, neighbour) {
    const source = createMemoryConfigSource({ entries: { size: '1' } })
    await using config = await createConfig({ sources: [source], coalesceMs: 0, onReport: listener })
    await source.put('size', '2')
    await expect.poll(() => config.version).toBe(2)
    neighbour()
  },
  async 'config memory store'(listener, neighbour) {
    const store = createMemoryConfigStore()
    store.onChange(listener)
    store.onChange(neighbour)
    store.put('a', '1')
  },
  async 'config-crypto file keyring onError'(listener, neighbour) {
    const path = join(tmpdir(), `sd-keys-${process.pid}-${Math.random()}`)
    await writeFile(path, `a:${Buffer.alloc(32, 1).toString('base64url')}\n`, { mode: 0o600 })
    const keyring = createFileKeyring({ path, recheckMs: 0, onError: listener })
    await keyring.getPrimary()
    await writeFile(path, 'nonsense')
    await sleep(10)
    await keyring.getPrimary()
    neighbour()
  },
  async subscribeTelemetry(listener, neighbour) {
    const stops = [
      subscribeTelemetry('sd:v1:backend:state', listener),
      subscribeTelemetry(
        'sd:v1:backend:state',
        () => {
          throw new Error('other')
        },
        listener,
      ),
      subscribeTelemetry('sd:v1:backend:state', neighbour),
    ]
    publishTelemetry('sd:v1:backend:state', { backend: 'test', state: 'connected' })
    for (const stop of stops) stop()
  },
  async 'discovery.subscribe'(listener, neighbour) {
    await using registry = createMemoryRegistry()
    await registry.register(instance)
    await using discovery = createDiscovery({ source: registry, onError: listener })
    const stops = [discovery.subscribe('orders', listener), discovery.subscribe('orders', neighbour)]
    await discovery.discover('orders')
    await sleep(10)
    for (const stop of stops) stop()
  },
  async 'discovery monitors and onError'(listener, neighbour) {
    await using registry = createMemoryRegistry()
    await registry.register(instance)
    const monitor = { name: 'bad', attach: () => ({ update: listener, observe: listener, close: listener }) }
    await using discovery = createDiscovery({ source: registry, monitors: [monitor], onError: listener })
    await discovery.discover('orders')
    neighbour()
  },
  async 'health reporter onError'(listener, neighbour) {
    await using registry = createMemoryRegistry()
    const registration = await registry.register(instance)
    vi.spyOn(registration, 'update').mockRejectedValue(new SdError('SD_DENIED', 'no'))
    const check = { name: 'db', run: async () => undefined }
    using reporter = createHealthReporter({
      checks: [{ check }],
      registrations: [registration],
      fastIntervalMs: 1,
      onError: listener,
    })
    await expect.poll(() => reporter.report().status).toBe('healthy')
    neighbour()
  },
  async 'hedge onHedge and discard'(listener, neighbour) {
    const hedge = createHedge({ delayMs: 1, isFinal: ({ attempt }) => attempt === 2, onHedge: listener, discard: listener })
    expect(await hedge.execute(async ({ attempt }) => attempt)).toBe(2)
    neighbour()
  },
  async 'lifecycle onError'(listener, neighbour) {
    const registrar = createMemoryRegistry()
    const server = {
      whenListening: async () => 80,
      finishDrain: () => Promise.reject(new Error('stuck')),
      destroy: () => undefined,
    }
    const lifecycle = createLifecycle({ registrar, server, instance, signals: [], propagationDelayMs: 0, onError: listener })
    await lifecycle.start()
    await lifecycle.close()
    await registrar.close()
    neighbour()
  },
  async 'logging-pino onError'(listener, neighbour) {
    const stream = {
      write: () => {
        throw new Error('full')
      },
    }
    await using owned = createLogger({ service: 'orders', writers: [{ kind: 'stream', stream }], onError: listener })
    owned.logger.info('one')
    neighbour()
  },
  async 'metrics onError'(listener, neighbour) {
    await using metrics = createMetrics({ onError: listener })
    metrics.addCollector({ name: 'bad', intervalMs: 1_000, collect: () => Promise.reject(new Error('down')) } as never)
    await sleep(10)
    neighbour()
  },
  async 'OpenTelemetry metrics onError'(listener, neighbour) {
    using _metrics = createOpenTelemetryMetrics({ onError: listener })
    publishTelemetry('sd:v1:call:end', { call: null as never, durationMs: 1, attempts: 1 })
    neighbour()
  },
  async 'outlier detector onEject'(listener, neighbour) {
    const detector = createOutlierDetector({ consecutive5xx: 1, maxEjectedShare: 1, onEject: listener })
    detector.setHosts(['a', 'b'])
    const error = new SdError('SD_UNAVAILABLE', 'down')
    for (const host of ['a', 'b']) detector.observe(host, { ok: false, error })
    expect(detector.isEjected('b')).toBe(true)
    neighbour()
  },
  async 'registration.onStateChange'(listener, neighbour) {
    const registry = createMemoryRegistry()
    const registration = await registry.register(instance)
    registration.onStateChange(listener)
    registration.onStateChange(neighbour)
    await registry.close()
  },
  async 'registry-failover, its registrations and its status'(listener, neighbour) {
    const registry = createFailoverRegistry({ members: [{ name: 'a', registry: createMemoryRegistry() }] } as never)
    const registration = await registry.register(instance)
    registry.onChange(listener)
    registration.onStateChange(listener)
    registration.onStateChange(neighbour)
    await registration.deregister()
    await registry.close()
  },
  async 'registry-memory store'(listener, neighbour) {
    const store = createMemoryStore()
    store.onChange('orders', listener)
    store.onChange(undefined, listener)
    store.onAvailabilityChange(listener)
    store.onChange('orders', neighbour)
    await using registry = createMemoryRegistry({ store })
    await registry.register(instance)
    store.setAvailable(false)
  },
  async 'retry onRetry'(listener, neighbour) {
    const run = async ({ attempt }: { attempt: number }) => {
      if (attempt === 1) throw new SdError('SD_UNAVAILABLE', 'down')
      return attempt
    }
    expect(await retry(run, { onRetry: listener, backoff: { kind: 'fixed', delayMs: 1 } })).toBe(2)
    neighbour()
  },
}

const failures: Readonly<Record<string, () => never>> = {
  throws: () => {
    throw new Error('a listener that throws')
  },
  rejects: (async () => {
    throw new Error('a listener that rejects')
  }) as unknown as () => never,
  'throws undefined': () => {
    throw undefined
  },
}

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockReturnValue()
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe.each(Object.entries(slots))('%s', (_, use) => {
  test.each(Object.entries(failures))('with a listener that %s', async (__, fail) => {
    const listener = vi.fn(fail)
    const neighbour = vi.fn()
    await use(listener, neighbour)
    await sleep(5)
    expect(listener).toHaveBeenCalled()
    expect(neighbour).toHaveBeenCalled()
  })
})
