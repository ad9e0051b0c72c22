import { createServiceInstance } from '@sd/core'
import { describe, expect, test } from 'vitest'
import {
  checkInstance,
  decodeSlice,
  encodeSlice,
  incarnationOf,
  isAlive,
  leaseNameOf,
  type Slice,
  serviceLabelValue,
  sliceName,
} from './slices.ts'

const lease = { name: 'sd-lease', uid: 'uid' }
const extras = { labels: { team: 'a' }, portName: undefined }
const instance = createServiceInstance({ service: 'orders', id: 'o-1', address: '10.0.0.1', port: 80, metadata: { a: 'b' } })
const slice = encodeSlice(instance, 'inc', lease, extras)

function withMetadata(change: object): Slice {
  return { ...slice, metadata: { ...slice.metadata, ...change } }
}

describe('the slice of an instance', () => {
  test('is decoded with its registration and its lease', () => {
    expect(decodeSlice(slice)).toEqual(instance)
    expect(incarnationOf(slice)).toBe('inc')
    expect(leaseNameOf(slice)).toBe('sd-lease')
    expect(isAlive(slice, new Set(['sd-lease']))).toBe(true)
    expect(isAlive(slice, new Set())).toBe(false)
    expect(slice.metadata.labels).toMatchObject({ team: 'a', 'kubernetes.io/service-name': 'orders' })
  })

  test.each([
    ['healthy', { ready: true, serving: true, terminating: false }],
    ['unknown', { ready: true, serving: true, terminating: false }],
    ['unhealthy', { ready: false, serving: false, terminating: false }],
    ['draining', { ready: false, serving: true, terminating: true }],
  ] as const)('has the conditions for other tools: %s', (health, conditions) => {
    const one = createServiceInstance({ service: 'orders', address: '10.0.0.1', port: 80, health })
    expect(encodeSlice(one, 'inc', lease, extras).endpoints?.[0]?.conditions).toEqual(conditions)
  })

  test('omits from the endpoint what Kubernetes does not accept', () => {
    const locality = { zone: 'a zone' }
    const one = createServiceInstance({ service: 'orders', address: '10.0.0.1', port: 53, protocol: 'a+b', locality })
    const encoded = encodeSlice(one, 'inc', lease, { labels: {}, portName: 'dns' })
    expect(encoded.endpoints?.[0]?.zone).toBeUndefined()
    expect(encoded.ports).toEqual([{ name: 'dns', port: 53, protocol: 'TCP' }])
    expect(decodeSlice(encoded)).toMatchObject({ locality, protocol: 'a+b' })
    const udp = encodeSlice({ ...one, protocol: 'udp' }, 'inc', lease, extras)
    expect(udp.ports).toEqual([{ name: '', port: 53, protocol: 'UDP', appProtocol: 'udp' }])
  })

  test.each([
    ['a missing document', { annotations: {} }],
    ['no JSON', { annotations: { 'sd/instance': '{' } }],
    ['another service than its label', { annotations: { 'sd/instance': '{"service":"users","id":"x"}' } }],
    ['no id', { annotations: { 'sd/instance': '{"service":"orders"}' } }],
    ['no port', { annotations: { 'sd/instance': '{"service":"orders","id":"x","address":"10.0.0.1"}' } }],
  ])('%s is malformed', (_, change) => {
    expect(() => decodeSlice(withMetadata(change))).toThrow(expect.objectContaining({ code: 'SD_MALFORMED' }))
  })

  test('is not confused with a slice of another tool', () => {
    expect(leaseNameOf(withMetadata({ labels: { 'sd/lease': 'x' } }))).toBeUndefined()
    expect(leaseNameOf(withMetadata({ labels: undefined }))).toBeUndefined()
    expect(isAlive(withMetadata({ labels: {} }), new Set())).toBe(true)
    expect(incarnationOf(withMetadata({ annotations: undefined }))).toBeUndefined()
  })
})

test('names that Kubernetes accepts stay, others are hashed', () => {
  expect(serviceLabelValue('orders')).toBe('orders')
  expect(serviceLabelValue('Orders.v2_x')).toBe('Orders.v2_x')
  for (const name of ['a/b', 'x'.repeat(64), '日本語', '-a', 'a:b']) expect(serviceLabelValue(name)).toMatch(/^sd-[0-9a-f]{40}$/)
  expect(sliceName('Orders/v2', 'x')).toMatch(/^orders-v2-[0-9a-f]{24}$/)
  expect(sliceName('日本語', 'x')).toMatch(/^sd-[0-9a-f]{24}$/)
  expect(sliceName('a', 'b')).not.toBe(sliceName('a', 'c'))
})

test('addresses that Kubernetes refuses are refused', () => {
  const refused = ['127.0.0.1', '0.0.0.0', '169.254.0.1', '224.0.0.1', '239.1.1.1', '255.255.255.255', '::', '::1', 'fe80::1']
  for (const address of [...refused, 'ff02::1', '::ffff:10.0.0.1', 'localhost', 'a_b.c', '1.2.3.4.5..']) {
    expect(() => checkInstance({ ...instance, address }), address).toThrow(expect.objectContaining({ field: 'address' }))
  }
  for (const address of ['10.0.0.1', '223.0.0.1', '2001:DB8:0::1', 'Host.Example.', 'a-b.c'])
    checkInstance({ ...instance, address })
  const metadata = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((key) => [key, 'ü'.repeat(30_000)]))
  expect(() => checkInstance({ ...instance, metadata })).toThrow(expect.objectContaining({ code: 'SD_TOO_LARGE' }))
})
