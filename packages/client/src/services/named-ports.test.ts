import type { AddressInfo } from 'node:net'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import type { CircuitBreaker } from '@sd/core'
import { eventually } from '@sd/testing'
import { request } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type PolicyScope, serviceOrigin } from '../index.ts'
import { forward } from '../testing/forwarded.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(async () => {
  world = createWorld()
  // A separate server, whose port is a named port of `orders`.
  const admin = await world.serve((incoming, response) => response.end(`admin ${incoming.url}`), { service: 'elsewhere' })
  await world.serve((incoming, response) => response.end(`main ${incoming.url}`), {
    id: 'one',
    ports: { admin: (admin.address() as AddressInfo).port },
  })
})
afterEach(() => world.close())

test('every kind of call reaches the named port, or the main port if none is named', async () => {
  const client = world.client()
  const origin = serviceOrigin('orders:admin')
  expect(await (await client.get('orders:admin', '/a')).text()).toBe('admin /a')
  expect(await (await client.get('orders', '/a')).text()).toBe('main /a')
  expect(await (await client.fetch(`${origin}/b?c`)).text()).toBe('admin /b?c')
  expect(await (await request(`${origin}/d`, { dispatcher: client.dispatcher })).body.text()).toBe('admin /d')
  const seen = forward(client, { service: 'orders:admin', path: '/e' })
  await seen.ended
  expect([seen.instanceId, seen.text]).toEqual(['one', 'admin /e'])
  expect(client.explain('orders:admin').cluster.endpoints).toHaveLength(1)
})

test('each port has its own endpoints and settings', async () => {
  const client = world.client({ services: { orders: { timeoutMs: 1 }, 'orders:admin': { timeoutMs: 5_000 } } })
  await client.get('orders', '/').catch(() => undefined)
  await client.get('orders:admin', '/')
  const [main, admin] = ['orders', 'orders:admin'].map((name) => client.explain(name).cluster.endpoints[0]?.endpoint)
  expect([main?.instance.id, admin?.instance.id]).toEqual(['one', 'one'])
  expect(main?.key).not.toBe(admin?.key)
})

test('a port that no instance has fails the call, and the error names it', async () => {
  const client = world.client()
  const failure = { code: 'SD_NO_INSTANCE', message: 'No instance of orders has a port named metrics; 1 registered' }
  await expect(client.get('orders:metrics', '/')).rejects.toMatchObject(failure)
  await expect(client.fetch(serviceOrigin('orders:metrics'))).rejects.toMatchObject({ cause: failure })
  await world.registry.register({ service: 'orders', address: '127.0.0.1', port: 1, id: 'one', ports: { metrics: 1 } })
  await eventually(async () => {
    await expect(client.get('orders:metrics', '/')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  }, 5_000)
})

test('a port has the settings of its service unless it has its own, and always its own policies', async () => {
  const breaker = ({ name }: PolicyScope): CircuitBreaker => createOpossumBreaker({ name })
  const client = world.client({ services: { orders: { timeoutMs: 1_000, breaker }, 'orders:main': { timeoutMs: 3_000 } } })
  const names: (string | undefined)[] = []
  for (const service of ['orders', 'orders:admin', 'orders:main']) names.push(client.breaker(service)?.name)
  expect(names).toEqual(['orders', 'orders:admin', undefined])

  const left = async (service: string): Promise<number> => {
    let seen = 0
    const seenBy = world.client({
      services: { orders: { timeoutMs: 1_000 } },
      interceptors: {
        call: [
          (call, next) => {
            seen = call.deadlineAt - performance.now()
            return next()
          },
        ],
      },
    })
    await seenBy.get(service, '/')
    return seen
  }
  expect(await left('orders:admin')).toBeLessThanOrEqual(1_000)

  client.configureService('orders', { timeoutMs: 2_000 })
  expect(['orders', 'orders:admin'].map((service) => client.breaker(service))).toEqual([undefined, undefined])
})
