import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { TelemetryEvents } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { chooseFamily, readForeignSlice, readQuery } from './foreign-slices.ts'
import type { Slice, SliceEndpoint, SlicePort } from './slices.ts'

const address = { addresses: ['10.1.0.1'] }

function slice(
  endpoint: Partial<SliceEndpoint> = {},
  ports: readonly SlicePort[] = [{ port: 80 }],
  metadata: object = {},
): Slice {
  return { metadata: { name: 's', ...metadata }, addressType: 'IPv4', endpoints: [{ ...address, ...endpoint }], ports }
}

function read(one: Slice, service: string = 'orders', preferredPort: string = 'http'): ReturnType<typeof readForeignSlice> {
  return readForeignSlice(one, { ...readQuery(service), registry: 'kubernetes', preferredPort })
}

describe('endpoints of other tools', () => {
  test.each([
    [undefined, 'healthy'],
    [{}, 'healthy'],
    [{ ready: false }, 'unhealthy'],
    [{ ready: true, terminating: true }, 'draining'],
    [{ ready: false, serving: true, terminating: true }, 'draining'],
  ] as const)('conditions %j are %s', (conditions, status) => {
    const endpoint = conditions === undefined ? {} : { conditions }
    expect(read(slice(endpoint))[0]?.health.status).toBe(status)
  })

  test.each<[SlicePort, string]>([
    [{ port: 1 }, 'http'],
    [{ port: 1, name: 'grpc-web' }, 'grpc'],
    [{ port: 1, name: 'HTTPS' }, 'https'],
    [{ port: 1, name: 'admin' }, 'http'],
    [{ port: 1, name: 'grpc', appProtocol: 'kubernetes.io/ws' }, 'ws'],
    [{ port: 1, name: 'grpc', appProtocol: 'example.org/own' }, 'grpc'],
    [{ port: 1, protocol: 'UDP' }, 'udp'],
  ])('port %j has the protocol %s', (port, protocol) => {
    expect(read(slice({}, [port]))[0]?.protocol).toBe(protocol)
  })

  test('only the requested port is found', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'any' },
      { name: 'web', port: 80 },
      { name: 'http', port: 81 },
    ]
    expect(read(slice({}, ports)).map(({ port }) => port)).toEqual([81])
    expect({ ...read(slice({}, ports))[0]?.ports }).toEqual({ dns: 53, web: 80, http: 81 })
    expect(read(slice({}, [{ port: 1 }]))[0]).not.toHaveProperty('ports')
    expect(read(slice({}, ports), 'orders', 'web').map(({ port }) => port)).toEqual([80])
    expect(read(slice({}, ports), 'orders:web')).toMatchObject([{ service: 'orders:web', port: 80 }])
    for (const service of ['orders:none', 'orders:any']) expect(read(slice({}, ports), service)).toEqual([])
    expect(read(slice({}, [{ name: 'dns', port: 53, protocol: 'UDP' }]))).toMatchObject([{ port: 53 }])
    expect(read({ ...slice(), ports: null, endpoints: null })).toEqual([])
  })

  test('ids, places and labels', () => {
    const metadata = {
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: {
        version: '2',
        'app.kubernetes.io/version': '1',
        'kubernetes.io/service-name': 'orders',
        'sd.x': '1',
        __proto__: '1',
      },
      annotations: { note: 'x', 'endpoints.kubernetes.io/last-change-trigger-time': 'now', long: 'x'.repeat(70_000) },
    }
    const hints = { forZones: [{ name: 'eu-1a' }] }
    const pod = { targetRef: { kind: 'Pod', name: 'pod-1' }, nodeName: 'n', hostname: 'h', hints }
    expect(read(slice(pod, [{ port: 80 }], metadata))).toMatchObject([
      {
        id: 'pod-1',
        version: '2',
        createdAt: Date.UTC(2026),
        locality: { zone: 'eu-1a' },
        metadata: {
          note: 'x',
          version: '2',
          'app.kubernetes.io/version': '1',
          'kubernetes.node': 'n',
          'kubernetes.hostname': 'h',
        },
      },
    ])
    expect(Object.keys(read(slice(pod, [{ port: 80 }], metadata))[0]?.metadata ?? {})).toHaveLength(6)
    const zones = { hints: { forZones: [{ name: 'a' }, { name: 'b' }] }, targetRef: { kind: 'Node', name: 'x' } }
    const [other] = read(slice(zones))
    expect(other).toMatchObject({ id: '10.1.0.1:80', metadata: { 'kubernetes.zone-hints': 'a,b' } })
    expect(other?.locality).toBeUndefined()
    expect(read(slice({ zone: 'c' }))[0]?.locality).toEqual({ zone: 'c' })
  })

  test('an unreadable endpoint is left out, and published', () => {
    const errors: unknown[] = []
    const note = (message: unknown): unknown => errors.push((message as TelemetryEvents['sd:v1:backend:operation']).error)
    subscribe('sd:v1:backend:operation', note)
    const spoilt = { ...slice(), endpoints: [{ addresses: [] }, { addresses: ['http://x'] }, address] }
    expect(read(spoilt)).toHaveLength(1)
    unsubscribe('sd:v1:backend:operation', note)
    expect(errors).toMatchObject([{ code: 'SD_MALFORMED' }, { code: 'SD_MALFORMED' }])
  })

  test('one address type is used', () => {
    const [four, six, name] = (['IPv4', 'IPv6', 'FQDN'] as const).map((addressType) => ({ ...slice(), addressType }))
    if (!four || !six || !name) throw new Error('unreachable')
    expect(chooseFamily([name, six, four])).toEqual([four])
    expect(chooseFamily([name, six, { ...four, endpoints: [] }])).toEqual([six])
    expect(chooseFamily([name])).toEqual([name])
    expect(chooseFamily([])).toEqual([])
  })

  test('only a Service and a port are two names', () => {
    expect(readQuery('orders:grpc')).toEqual({ service: 'orders:grpc', base: 'orders', portName: 'grpc' })
    for (const service of ['orders', 'a:b:c', 'A:b', 'a:', ':a', 'a/b:c']) expect(readQuery(service)).toEqual({ service })
  })
})
