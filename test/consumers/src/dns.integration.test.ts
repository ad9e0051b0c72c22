import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createServiceClient } from '@sd/client'
import type { Balancer } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createDnsRegistry, type DnsRegistryOptions } from '@sd/registry-dns'
import { createCertificates, type DnsServer, obtainServer, startDns } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const dns = await obtainServer('dns', { own: true })

/** Always picks the first endpoint. */
const first: Balancer = { name: 'first', createPicker: ({ endpoints }) => ({ pick: () => endpoints[0] }) }

describe.runIf(dns)('a client with instances from DNS', { timeout: 30_000 }, () => {
  let server: DnsServer
  beforeAll(async () => {
    if (dns) server = await startDns(dns)
  })
  afterAll(() => server.close())

  test('discovers a named port', async () => {
    await server.publish('ports.test', [
      '_http._tcp.orders SRV 0 1 8080 one',
      '_admin._tcp.orders SRV 0 1 9000 one',
      'one A 10.0.0.1',
    ])
    const options = { domain: 'ports.test', template: '_{port}._tcp.{service}.{domain}' }
    await using registry = createDnsRegistry({ servers: [`127.0.0.1:${server.port}`], ...options })
    await using discovery = createDiscovery({ source: registry })
    expect((await discovery.discoverOne('orders:admin')).port).toBe(9_000)
  })

  test('verifies an SRV target, and a name with addresses, by name over TLS', async () => {
    const { ca, server: own } = await createCertificates(['one.tls.test', 'orders.tls.test'])
    const secure = createServer(own, (request, response) => {
      response.end((request.socket as TLSSocket & { readonly servername: string }).servername)
    })
    await once(secure.listen(0, '127.0.0.1'), 'listening')
    const { port } = secure.address() as AddressInfo
    const records = [`_orders._tcp SRV 0 1 ${port} one`, `_other._tcp SRV 0 1 ${port} two`]
    await server.publish('tls.test', [...records, 'one A 127.0.0.1', 'two A 127.0.0.1', 'orders A 127.0.0.1'])

    async function call(service: string, options: DnsRegistryOptions): Promise<string> {
      const registry = createDnsRegistry({ servers: [`127.0.0.1:${server.port}`], domain: 'tls.test', ...options })
      await using discovery = createDiscovery({ source: registry })
      await using client = createServiceClient({ discovery, balancer: first, tls: { ca }, retry: false })
      try {
        return await (await client.get(service, '/')).text()
      } finally {
        await registry.close()
      }
    }
    expect(await call('orders', { protocol: 'https' })).toBe('one.tls.test')
    expect(await call('orders', { protocol: 'https', records: 'address', port })).toBe('orders.tls.test')
    await expect(call('other', { protocol: 'https' })).rejects.toThrow(/two\.tls\.test/)
    secure.close()
  })
})
