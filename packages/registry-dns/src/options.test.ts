import dns from 'node:dns'
import { describe, expect, test } from 'vitest'
import { commonDomain, expandTemplate, isDnsName } from './dns-name.ts'
import { createDnsRegistry, type DnsRegistryOptions } from './index.ts'
import { resolveDnsRegistryOptions } from './options.ts'

const servers = ['127.0.0.1:1']
const domain = 'x.test'

describe('options', () => {
  test('have defaults', () => {
    expect(resolveDnsRegistryOptions({ servers: ['127.0.0.1', '[::1]:5353'], domain: 'x.test.' })).toEqual({
      servers: [
        { secure: false, host: '127.0.0.1', port: 53 },
        { secure: false, host: '::1', port: 5_353 },
      ],
      domain: 'x.test',
      template: '_{service}._tcp.{domain}',
      portName: 'http',
      records: 'srv',
      port: undefined,
      protocol: 'http',
      family: 'any',
      resolveTargets: true,
      minTtlMs: 1_000,
      refreshIntervalMs: 30_000,
      transport: 'udp',
      timeoutMs: 2_000,
      operationTimeoutMs: 10_000,
      name: 'dns',
    })
    expect(resolveDnsRegistryOptions({ servers, domain, records: 'address', port: 80 }).template).toBe('{service}.{domain}')
    expect(resolveDnsRegistryOptions({ servers, domain, minTtlMs: 60_000 }).refreshIntervalMs).toBe(60_000)
  })

  test('use the servers of the system', () => {
    const before = dns.getServers()
    dns.setServers(['10.0.0.1', '10.0.0.2:5353', '2001:db8::1', '[2001:db8::2]:5353'])
    expect(resolveDnsRegistryOptions({ domain }).servers.map(({ host, port }) => `${host} ${port}`)).toEqual([
      '10.0.0.1 53',
      '10.0.0.2 5353',
      '2001:db8::1 53',
      '2001:db8::2 5353',
    ])
    dns.setServers(before)
  })

  test.each<[string, DnsRegistryOptions]>([
    ['domain', { servers }],
    ['domain', { servers, template: '{service}.{domain}' }],
    ['domain', { servers, domain: 'a b' }],
    ['domain', { servers, domain: '.' }],
    ['template', { servers, template: 'x.test' }],
    ['template', { servers, template: '{service}..test' }],
    ['template', { servers, domain, template: '{service}.{zone}' }],
    ['servers', { servers: [], domain }],
    ['servers[0]', { servers: ['ns.example.com'], domain }],
    ['servers[1]', { servers: [...servers, 'https://10.0.0.1'], domain }],
    ['portName', { servers, domain, portName: 'http' }],
    ['portName', { servers, domain, template: '_{port}._tcp.{service}.{domain}', portName: '80' }],
    ['records', { servers, domain, records: 'txt' as never }],
    ['port', { servers, domain, records: 'address' }],
    ['port', { servers, domain, port: 80 }],
    ['protocol', { servers, domain, protocol: 'HTTP 2' }],
    ['family', { servers, domain, family: 5 as never }],
    ['resolveTargets', { servers, domain, resolveTargets: 1 as never }],
    ['minTtlMs', { servers, domain, minTtlMs: 0 }],
    ['refreshIntervalMs', { servers, domain, minTtlMs: 2_000, refreshIntervalMs: 1_000 }],
    ['transport', { servers, domain, transport: 'tls' as never }],
    ['timeoutMs', { servers, domain, timeoutMs: 0 }],
    ['operationTimeoutMs', { servers, domain, operationTimeoutMs: 1 }],
    ['name', { servers, domain, name: '' }],
    ['search', { servers, domain, search: true } as never],
  ])('an invalid %s is refused', (field, options) => {
    expect(() => createDnsRegistry(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })
})

describe('names', () => {
  test('are checked', () => {
    for (const name of ['a', '_orders._tcp.x.test', 'x.test.', 'A-1.test', `${'a'.repeat(63)}.test`])
      expect(isDnsName(name)).toBe(true)
    for (const name of ['', '.', 'a..b', '-a.test', 'a b', 'ü.test', `${'a'.repeat(64)}.test`, 'a.'.repeat(128)]) {
      expect(isDnsName(name), name).toBe(false)
    }
  })

  test('result from templates', () => {
    expect(expandTemplate('_{service}._tcp.{domain}', 'a$&{domain}', 'x.test')).toBe('_a$&{domain}._tcp.x.test')
    const ports = '_{port}._tcp.{service}.{domain}'
    expect(expandTemplate(ports, 'orders', 'x.test', 'http')).toBe('_http._tcp.orders.x.test')
    expect(expandTemplate(ports, 'orders:admin', 'x.test', 'http')).toBe('_admin._tcp.orders.x.test')
    expect(commonDomain('{service}.y.test', 'x.test')).toBe('x.test')
    expect(commonDomain('_http._tcp.{service}.y.test', undefined)).toBe('y.test')
    expect(commonDomain('{service}-v1.y.test', undefined)).toBe('y.test')
    expect(commonDomain('{service}', undefined)).toBe('.')
    expect(commonDomain((service) => service, undefined)).toBe('.')
  })

  test('of services without a valid DNS name are refused', async () => {
    for (const [template, service] of [
      [undefined, 'a/b'],
      [undefined, 'x'.repeat(64)],
      [(): string => '', 'orders'],
      [(): never => undefined as never, 'orders'],
    ] as const) {
      await using registry = createDnsRegistry({ servers, domain, ...(template && { template }) })
      await expect(registry.getInstances(service)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'service' })
      const watch = registry.watch(service)[Symbol.asyncIterator]()
      await expect(watch.next()).rejects.toMatchObject({ code: 'SD_INVALID' })
    }
  })
})
