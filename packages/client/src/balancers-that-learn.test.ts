import type { Balancer, Endpoint, HeaderFields } from '@sd/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFetchTransport } from './index.ts'
import { createWorld, type World } from './testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

test.each([
  ['undici', undefined],
  ['fetch', () => createFetchTransport()],
] as const)('a balancer receives the head of every response, with %s', async (_, make) => {
  const received: [Endpoint, HeaderFields][] = []
  let turn = 0
  const learning: Balancer = {
    name: 'learning',
    createPicker: ({ endpoints }) => ({
      pick: () => endpoints[turn++ % endpoints.length],
      responded: (endpoint, headers) => received.push([endpoint, headers]),
    }),
  }
  for (let instance = 0; instance < 2; instance++) {
    await world.serve(({ headers: { host } }, response) => {
      response.writeHead(503, { 'set-cookie': [`sid=${host}`, 'other=1'] }).end()
    })
  }
  const client = world.client({ balancer: learning, ...(make && { transport: make() }) })
  for (let call = 0; call < 4; call++) await (await client.get('orders', '/')).text()
  expect(new Set(received.map(([endpoint]) => endpoint)).size).toBe(2)
  expect(received.map(([, headers]) => headers['set-cookie'])).toEqual(
    received.map(([{ instance }]) => [`sid=127.0.0.1:${instance.port}`, 'other=1']),
  )
})
