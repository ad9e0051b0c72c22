import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { afterEach, expect, test } from 'vitest'
import { createLanes, createSubsetBalancer, type LaneOptions, type Lanes } from './index.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

type Registry = ReturnType<typeof createMemoryRegistry>

function createClient(registry: Registry, lanes: Lanes): ServiceClient {
  const discovery = createDiscovery({ source: registry, coalesceMs: 0 })
  const client = createServiceClient({
    discovery,
    balancer: createSubsetBalancer({ balancer: createRoundRobinBalancer(), label: lanes.label }),
    interceptors: { call: [lanes.interceptor] },
  })
  closers.push(
    () => discovery.close(),
    () => client.close(),
  )
  return client
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

/** An instance that responds with its own name and with the response of the next service. */
async function start(
  registry: Registry,
  { service, lane, next }: { service: string; lane?: string; next?: string },
): Promise<void> {
  const lanes = createLanes()
  const client = createClient(registry, lanes)
  const own = lane === undefined ? service : `${service}@${lane}`
  const port = await serve(
    lanes.handler((_request, response) => {
      const answer = async (): Promise<string> => {
        if (next === undefined) return own
        // The lane is still known after asynchronous work.
        await new Promise((resolve) => setImmediate(resolve))
        return `${own} ${await (await client.get(next, '/')).text()}`
      }
      answer().then(
        (text) => response.end(text),
        (error: Error) => response.writeHead(500).end(error.message),
      )
    }),
  )
  await registry.register({ service, address: '127.0.0.1', port, ...(lane !== undefined && { metadata: { lane } }) })
}

/** Three services. All have a base; web and stock have a canary. */
async function startChain(edge: LaneOptions = {}): Promise<(headers?: Record<string, string>) => Promise<string>> {
  const registry = createMemoryRegistry()
  closers.push(() => registry.close())
  await start(registry, { service: 'web', next: 'orders' })
  await start(registry, { service: 'web', lane: 'canary', next: 'orders' })
  await start(registry, { service: 'orders', next: 'stock' })
  await start(registry, { service: 'stock' })
  await start(registry, { service: 'stock', lane: 'canary' })
  const lanes = createLanes(edge)
  const client = createClient(registry, lanes)
  const port = await serve(
    lanes.handler((_request, response) => {
      void client.get('web', '/').then(async (answer) => response.end(await answer.text()))
    }),
  )
  return async (headers = {}) => (await fetch(`http://127.0.0.1:${port}/`, { headers })).text()
}

test('full-link canary: three services, each hop in the lane if there is one, otherwise in the base', async () => {
  const ask = await startChain()
  for (let round = 0; round < 4; round++) {
    expect(await ask()).toBe('web orders stock')
    expect(await ask({ 'x-lane': 'canary' })).toBe('web@canary orders stock@canary')
  }
  expect(await Promise.all([ask({ 'x-lane': 'canary' }), ask(), ask({ 'x-lane': 'canary' })])).toEqual([
    'web@canary orders stock@canary',
    'web orders stock',
    'web@canary orders stock@canary',
  ])
})

test('an invalid or unknown label means the base', async () => {
  const ask = await startChain()
  for (const label of ['', 'unknown', 'CANARY', 'canary canary', 'x'.repeat(64), '-canary', '../canary']) {
    expect(await ask({ 'x-lane': label })).toBe('web orders stock')
  }
})

test('an edge assigns lanes and ignores those of callers', async () => {
  const assign = ({ headers }: IncomingMessage): string | undefined => {
    if (headers['x-user'] === 'broken') throw new Error('broken')
    return headers['x-user'] === 'tester' ? 'canary' : undefined
  }
  const ask = await startChain({ assign })
  expect(await ask({ 'x-lane': 'canary' })).toBe('web orders stock')
  expect(await ask({ 'x-user': 'broken' })).toBe('web orders stock')
  expect(await ask({ 'x-user': 'tester' })).toBe('web@canary orders stock@canary')
})

test('run, middleware, and a call with its own lane', async () => {
  const lanes = createLanes({ header: 'X-Env' })
  expect(lanes.current()).toBeUndefined()
  expect(lanes.run('blue', () => lanes.current())).toBe('blue')
  expect(lanes.run('blue', () => lanes.run(undefined, () => lanes.current()))).toBeUndefined()
  expect(() => lanes.run('Blue!', () => 0)).toThrow('Invalid lane: got "Blue!", want 1 to 63 lower-case letters')
  let seen: string | undefined
  lanes.middleware({ headers: { 'x-env': 'green' } } as never, {} as never, () => {
    seen = lanes.current()
  })
  expect(seen).toBe('green')
  const headersOf = async (headers: Record<string, string>): Promise<unknown> => {
    await lanes.interceptor({ headers } as never, async () => undefined as never)
    return headers
  }
  expect(await lanes.run('blue', () => headersOf({ 'x-env': '' }))).toEqual({ 'x-env': 'blue' })
  expect(await headersOf({})).toEqual({})
  expect(await lanes.run('blue', () => headersOf({}))).toEqual({ 'x-env': 'blue' })
  expect(await lanes.run('blue', () => headersOf({ 'x-env': 'green' }))).toEqual({ 'x-env': 'green' })
  expect(lanes.label({})).toBeUndefined()
})

test('rejects invalid options', () => {
  expect(() => createLanes({ header: '' })).toThrow('Invalid header')
  expect(() => createLanes({ assign: 'canary' as never })).toThrow('Invalid assign')
  expect(() => createLanes({ headers: 'x' } as never)).toThrow('Invalid headers: unknown field')
  expect(() => createLanes().handler(1 as never)).toThrow('Invalid listener')
})
