import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createNearestBalancer } from '@sd/balancer-geo'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { cookieKey, createStickyBalancer } from '@sd/balancer-sticky'
import { createServiceClient } from '@sd/client'
import { type Balancer, type CallPickRequest, createEndpoint, createServiceInstance, forwardedAddress } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { upgrade } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'

// Tests that upgrades are balanced by the headers of the request, with every balancer that uses headers.

const places: Readonly<Record<string, { readonly latitude: number; readonly longitude: number }>> = {
  paris: { latitude: 48.85, longitude: 2.35 },
  tokyo: { latitude: 35.68, longitude: 139.69 },
  lima: { latitude: -12.05, longitude: -77.04 },
}
const addresses: Readonly<Record<string, string>> = { paris: '203.0.113.1', tokyo: '203.0.113.2', lima: '203.0.113.3' }

const servers: Server[] = []
let instances: { service: string; id: string; address: string; port: number; metadata: Record<string, string> }[] = []
beforeAll(async () => {
  instances = await Promise.all(
    Object.entries(places).map(async ([id, { latitude, longitude }]) => {
      const server = createServer()
      server.on('upgrade', (_, socket) => {
        socket.on('error', () => undefined)
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\nx-instance: ${id}\r\n\r\n`)
      })
      servers.push(server)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const metadata = { 'geo.latitude': String(latitude), 'geo.longitude': String(longitude) }
      return { service: 'chat', id, address: '127.0.0.1', port: (server.address() as AddressInfo).port, metadata }
    }),
  )
})
afterAll(() => {
  for (const server of servers) server.close().closeAllConnections()
})

/** Upgrades once with each set of headers. @returns the instances that responded */
async function pickedBy(balancer: Balancer, fields: readonly Readonly<Record<string, string>>[]): Promise<readonly unknown[]> {
  const source = createStaticRegistry({ instances })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer })
  const picked: unknown[] = []
  try {
    for (const headers of fields) {
      const response = await upgrade('http://chat/', { dispatcher: client.dispatcher, protocol: 'test', headers })
      picked.push(response.headers['x-instance'])
      response.socket.destroy()
    }
    return picked
  } finally {
    await Promise.all([client.close(), discovery.close(), source.close()])
  }
}

const repeat = <T>(values: readonly T[]): readonly T[] => [...values, ...values, ...values]

test('sticky: requests with one cookie go to one instance', async () => {
  const balancer = createStickyBalancer({ balancer: createRoundRobinBalancer(), key: cookieKey('sid') })
  const picked = await pickedBy(balancer, repeat(['a', 'b', 'c'].map((sid) => ({ cookie: `x=1; sid=${sid}` }))))
  expect(new Set(picked).size).toBe(3)
  expect(picked).toEqual(repeat(picked.slice(0, 3)))
})

test('consistent hash: requests with one key go to one instance', async () => {
  const balancer = createConsistentHashBalancer({ key: ({ headers }) => headers?.['x-user'] })
  // The ring depends on the ports of the servers, which differ in every run: these are the first four users of each instance.
  const endpoints = instances.map((instance) => createEndpoint(createServiceInstance(instance)))
  const picker = balancer.createPicker({ endpoints, weights: Float64Array.of(1, 1, 1), epoch: 1 })
  const requests = Array.from({ length: 1_000 }, (_, index): CallPickRequest => ({ headers: { 'x-user': `user-${index}` } }))
  const wanted = endpoints.flatMap((endpoint) =>
    requests
      .filter((request) => picker.pick(request) === endpoint)
      .slice(0, 4)
      .map(({ headers = {} }) => ({ id: endpoint.instance.id, headers })),
  )
  expect(wanted).toHaveLength(12)
  const picked = await pickedBy(balancer, repeat(wanted.map(({ headers }) => headers)))
  expect(picked).toEqual(repeat(wanted.map(({ id }) => id)))
})

test('geo: requests go to the instance nearest to the caller', async () => {
  const lookup = { lookup: (address: string) => places[Object.keys(addresses).find((id) => addresses[id] === address) ?? ''] }
  const balancer = createNearestBalancer({
    local: { latitude: 0, longitude: 0 },
    lookup,
    client: forwardedAddress({ trustedProxies: 0 }),
    balancer: createRoundRobinBalancer(),
  })
  const fields = repeat(Object.values(addresses)).map((address) => ({ 'x-forwarded-for': address }))
  expect(await pickedBy(balancer, fields)).toEqual(repeat(Object.keys(addresses)))
})
