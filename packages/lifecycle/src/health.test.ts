import { createServer } from 'node:http'
import { createHealthReporter } from '@sd/health'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createLifecycle } from './index.ts'

const instance = { service: 'orders', address: '127.0.0.1' }

describe('a lifecycle with a reporter of @sd/health', () => {
  test('is ready and live only while the checks pass, and reports them to the registry', async () => {
    let failure: Error | undefined
    let isStuck = false
    const run = (fails: () => Error | undefined | false) => async (): Promise<undefined> => {
      const error = fails()
      if (error) throw error
      return undefined
    }
    const settings = { intervalMs: 20, fastIntervalMs: 10, rise: 1, fall: 1, jitter: 0 }
    using reporter = createHealthReporter({
      ...settings,
      checks: [
        { check: { name: 'database', run: run(() => failure) } },
        { check: { name: 'loop', run: run(() => isStuck && new Error('stuck')) }, kind: 'liveness' },
      ],
    })
    await using registry = createMemoryRegistry()
    const server = createServer().listen(0, '127.0.0.1')
    const lifecycle = createLifecycle({
      registrar: registry,
      server,
      instance,
      signals: [],
      propagationDelayMs: 0,
      health: reporter,
    })
    const status = (path: string): number | undefined => lifecycle.health(path)?.status
    expect([status('/health/live'), status('/health/ready'), status('/other')]).toEqual([200, 503, undefined])
    await lifecycle.start()
    await eventually(() => expect(status('/health/ready')).toBe(200), 2_000)
    failure = new Error('down')
    await eventually(() => expect(status('/health/ready')).toBe(503), 2_000)
    expect(status('/health/live')).toBe(200)
    expect(JSON.parse(lifecycle.health('/health/ready')?.body ?? '')).toEqual({
      status: 'not ready',
      checks: { database: 'unhealthy', loop: 'healthy' },
    })
    await eventually(async () => {
      expect((await registry.getInstances('orders')).instances[0]?.health.status).toBe('unhealthy')
    }, 2_000)
    failure = undefined
    isStuck = true
    await eventually(() => expect(status('/health/live')).toBe(503), 2_000)
    await lifecycle.close()
    expect(status('/health/ready')).toBe(503)
  })

  test('works with fetch-style servers', async () => {
    await using registry = createMemoryRegistry()
    const server = createServer().listen(0, '127.0.0.1')
    const lifecycle = createLifecycle({ registrar: registry, server, instance, signals: [], propagationDelayMs: 0 })
    const handle = (request: Request): Response => {
      const answer = lifecycle.health(new URL(request.url).pathname)
      return answer ? new Response(answer.body, answer) : new Response('app')
    }
    await lifecycle.start()
    const response = handle(new Request('http://orders/health/ready?x'))
    expect([response.status, response.headers.get('content-type'), await response.json()]).toEqual([
      200,
      'application/json',
      { status: 'ok' },
    ])
    expect(await handle(new Request('http://orders/')).text()).toBe('app')
    await lifecycle.close()
    expect(handle(new Request('http://orders/health/ready')).status).toBe(503)
  })
})
