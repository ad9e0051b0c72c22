import type { ServiceSnapshot } from '@sd/core'
import { type DnsServer, obtainServer, startDns } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDnsRegistry, type DnsRegistryOptions } from './index.ts'

const dns = await obtainServer('dns', { own: true })

describe.runIf(dns)('records of a real server', { timeout: 30_000 }, () => {
  let server: DnsServer
  let terse: DnsServer
  beforeAll(async () => {
    if (dns) [server, terse] = await Promise.all([startDns(dns), startDns(dns, { additional: false })])
  })
  afterAll(() => Promise.all([server.close(), terse.close()]))

  async function read(service: string, options: DnsRegistryOptions, from: DnsServer = server): Promise<ServiceSnapshot> {
    await using registry = createDnsRegistry({ servers: [`127.0.0.1:${from.port}`], ...options })
    return await registry.getInstances(service)
  }
  const brief = ({ instances }: ServiceSnapshot): readonly string[] =>
    instances.map(({ address, port, weight, priority }) => `${address}:${port} ${weight}/${priority}`)

  test('SRV: weight, priority, target, protocol', async () => {
    const records = [
      '_orders._tcp SRV 0 10 8001 one',
      '_orders._tcp SRV 0 30 8002 two',
      '_orders._tcp SRV 0 0 8003 drained',
      '_orders._tcp SRV 5 0 9000 backup',
      ...['one A 10.0.0.1', 'two A 10.0.0.2', 'drained A 10.0.0.3', 'backup A 10.0.0.4'],
      '_closed._tcp SRV 0 0 0 .',
    ]
    for (const from of [server, terse]) {
      await from.publish('srv.test', records)
      const snapshot = await read('orders', { domain: 'srv.test', protocol: 'grpc' }, from)
      expect(brief(snapshot)).toEqual(['10.0.0.1:8001 10/0', '10.0.0.2:8002 30/0', '10.0.0.3:8003 0/0', '10.0.0.4:9000 1/5'])
      const [first] = snapshot.instances
      expect(first).toMatchObject({ id: '10.0.0.1:8001', protocol: 'grpc', service: 'orders' })
      expect({ ...first?.metadata }).toEqual({ target: 'one.srv.test' })
      expect(brief(await read('closed', { domain: 'srv.test' }, from))).toEqual([])
    }
    const unresolved = await read('orders', { domain: 'srv.test.', resolveTargets: false })
    expect(unresolved.instances.map(({ id }) => id)).toContain('one.srv.test:8001')
    expect({ ...unresolved.instances[0]?.metadata }).toEqual({})
  })

  test('named ports: {port} in the template', async () => {
    const records = [
      '_http._tcp.orders SRV 0 1 8080 one',
      '_admin._tcp.orders SRV 0 1 9000 one',
      '_grpc._tcp.orders SRV 0 1 9090 one',
    ]
    await server.publish('ports.test', [...records, 'one A 10.0.0.1'])
    const options = { domain: 'ports.test', template: '_{port}._tcp.{service}.{domain}' }
    const found = async (service: string): Promise<unknown> =>
      (await read(service, options)).instances.map(({ protocol, port }) => `${protocol} ${port}`)
    expect(await found('orders')).toEqual(['http 8080'])
    expect(await found('orders:admin')).toEqual(['http 9000'])
    expect(await found('orders:grpc')).toEqual(['grpc 9090'])
    expect(await found('orders:metrics')).toEqual([])
  })

  test('targets with several addresses share their weight, a family is selected, aliases are followed, and one target does not exist', async () => {
    const records = [
      ...['_orders._tcp SRV 0 10 80 both', '_orders._tcp SRV 0 10 81 six', '_orders._tcp SRV 0 10 82 alias'],
      '_orders._tcp SRV 0 10 83 nowhere',
      ...['both A 10.0.0.1', 'both A 10.0.0.2', 'both AAAA 2001:db8::1', 'six AAAA 2001:db8::6'],
      ...['alias CNAME alias2', 'alias2 CNAME end', 'end A 10.0.0.9'],
    ]
    for (const from of [server, terse]) {
      await from.publish('family.test', records)
      const of = async (family: 4 | 6 | 'any'): Promise<unknown> =>
        brief(await read('orders', { domain: 'family.test', family }, from))
      expect(await of('any')).toEqual(['10.0.0.1:80 5/0', '10.0.0.2:80 5/0', '10.0.0.9:82 10/0', '2001:db8::6:81 10/0'])
      expect(await of(4)).toEqual(['10.0.0.1:80 5/0', '10.0.0.2:80 5/0', '10.0.0.9:82 10/0'])
      expect(await of(6)).toEqual(['2001:db8::1:80 10/0', '2001:db8::6:81 10/0'])
    }
  })

  test('A and AAAA, templates', async () => {
    await server.publish('addresses.test', [
      ...['orders A 10.0.0.1', 'orders A 10.0.0.2', 'users.svc AAAA 2001:db8::1', 'mixed CNAME orders'],
      '_http._tcp.cart.prod.svc SRV 0 100 8080 pod-0.cart',
      'pod-0.cart A 10.0.3.1',
    ])
    const options = { domain: 'addresses.test', records: 'address', port: 8080 } as const
    expect(brief(await read('orders', options))).toEqual(['10.0.0.1:8080 1/0', '10.0.0.2:8080 1/0'])
    expect(brief(await read('mixed', options))).toHaveLength(2)
    expect(brief(await read('orders', { ...options, family: 6 }))).toEqual([])
    const users = await read('users', { ...options, template: '{service}.svc.{domain}' })
    expect(users.instances[0]).toMatchObject({ address: '2001:db8::1', id: '2001:db8::1:8080' })
    const kubernetes = { template: '_http._tcp.{service}.svc.addresses.test' }
    expect(brief(await read('cart.prod', kubernetes))).toEqual(['10.0.3.1:8080 100/0'])
    const own = { template: (service: string) => `_http._tcp.${service.split('/').reverse().join('.')}.svc.addresses.test.` }
    expect(brief(await read('prod/cart', own))).toEqual(['10.0.3.1:8080 100/0'])
  })

  test('a missing name and a missing record are empty, and a failed query is an error', async () => {
    await server.publish('present.test', ['_text._tcp TXT "no SRV"'])
    await server.publishBroken('broken.test')
    expect((await read('absent', { domain: 'present.test' })).instances).toEqual([])
    expect((await read('text', { domain: 'present.test' })).instances).toEqual([])
    const unavailable = { code: 'SD_UNAVAILABLE', retryable: true }
    await expect(read('orders', { domain: 'broken.test' })).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringMatching(/^dns can't resolve SRV _orders._tcp.broken.test: 127.0.0.1:\d+ returned SERVFAIL$/),
    })
    await expect(read('orders', { domain: 'elsewhere.test' })).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('REFUSED'),
    })
  })

  test('a referral of an authoritative server does not deny the record', async () => {
    await server.publish('parent.test', ['child NS ns.child', 'ns.child A 127.0.0.1', '_out._tcp CNAME elsewhere.child'])
    for (const options of [{ domain: 'child.parent.test' }, { domain: 'parent.test' }]) {
      const service = options.domain.startsWith('child') ? 'orders' : 'out'
      await expect(read(service, options)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    }
  })

  test('a cycle of aliases is an error', async () => {
    await server.publish('circle.test', ['_orders._tcp CNAME _users._tcp', '_users._tcp CNAME _orders._tcp'])
    await expect(read('orders', { domain: 'circle.test' })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('500 records, which do not fit into a datagram', async () => {
    const indices = Array.from({ length: 500 }, (_, index) => index)
    const records = indices.flatMap((index) => [
      `_orders._tcp SRV 0 1 ${8_000 + index} instance-${index}`,
      `instance-${index} A 10.2.${index >> 8}.${index & 255}`,
    ])
    for (const from of [server, terse]) {
      await from.publish('large.test', records)
      const { instances } = await read('orders', { domain: 'large.test' }, from)
      expect(instances).toHaveLength(500)
      expect(new Set(instances.map(({ address }) => address))).toHaveLength(500)
      expect(await read('orders', { domain: 'large.test', resolveTargets: false }, from)).toHaveProperty('instances.length', 500)
      expect(await read('orders', { domain: 'large.test', transport: 'tcp' }, from)).toHaveProperty('instances.length', 500)
    }
  })

  test('a ping', async () => {
    await server.publish('alive.test', [])
    const servers = [`127.0.0.1:${server.port}`]
    for (const options of [{ domain: 'alive.test' }, { template: '_http._tcp.{service}.alive.test' }]) {
      await using registry = createDnsRegistry({ servers, ...options })
      expect(registry.state).toBe('disconnected')
      await registry.ping()
      expect(registry.state).toBe('connected')
    }
    await using outside = createDnsRegistry({ servers, template: '{service}' })
    await expect(outside.ping()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })
})
