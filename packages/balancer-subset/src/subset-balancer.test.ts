import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import {
  type Balancer,
  type CallPickRequest,
  createEndpoint,
  createServiceInstance,
  type Endpoint,
  subscribeTelemetry,
} from '@sd/core'
import { balancerContract, createTestView } from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSubsetBalancer, type SubsetBalancerOptions } from './index.ts'

describe('balancer contract, all in the base', () => {
  const create = (): Balancer => createSubsetBalancer({ balancer: createRoundRobinBalancer(), label: () => undefined })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

describe('balancer contract, unknown labels', () => {
  const create = (): Balancer => createSubsetBalancer({ balancer: createRoundRobinBalancer(), label: () => 'canary' })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

function endpointsOf(...lanes: string[]): Endpoint[] {
  return lanes.map((lane, index) => {
    const metadata = lane === '' ? {} : { lane }
    return createEndpoint(createServiceInstance({ service: 'orders', address: '10.0.0.1', port: 8_000 + index, metadata }))
  })
}

const label = ({ headers }: CallPickRequest): string | undefined => headers?.['x-lane']

function balancerOf(options: Partial<SubsetBalancerOptions> = {}): Balancer {
  return createSubsetBalancer({ balancer: createRoundRobinBalancer(), label, ...options })
}

function inLane(lane: string, more: object = {}): CallPickRequest {
  return { headers: { 'x-lane': lane }, ...more }
}

test('a label selects the subset; without one only the base is used', () => {
  const endpoints = endpointsOf('', '', 'canary', 'canary', 'blue')
  const picker = balancerOf().createPicker(createTestView(endpoints))
  const drawn = (request: CallPickRequest): Set<Endpoint | undefined> =>
    new Set(Array.from({ length: 10 }, () => picker.pick(request)))
  expect(drawn({})).toEqual(new Set(endpoints.slice(0, 2)))
  expect(drawn(inLane('canary'))).toEqual(new Set(endpoints.slice(2, 4)))
  expect(drawn(inLane('blue'))).toEqual(new Set(endpoints.slice(4)))
  expect(drawn(inLane('unknown'))).toEqual(new Set(endpoints.slice(0, 2)))
})

test('a subset without available endpoints falls back to the base: missing, blocked, without weight, or already tried', () => {
  const [base, canary] = endpointsOf('', 'canary') as [Endpoint, Endpoint]
  const balancer = balancerOf()
  const picker = balancer.createPicker(createTestView([base, canary]))
  expect(picker.pick(inLane('canary', { attempted: [canary] }))).toBe(base)
  canary.block('test')
  expect(picker.pick(inLane('canary'))).toBe(base)
  canary.unblock('test')
  expect(picker.pick(inLane('canary'))).toBe(canary)
  expect(balancer.createPicker(createTestView([base, canary], [1, 0])).pick(inLane('canary'))).toBe(base)
  const strict = balancerOf({ fallback: 'none' }).createPicker(createTestView([base]))
  expect(strict.pick(inLane('canary'))).toBeUndefined()
  expect(strict.pick({})).toBe(base)
})

test('the base never falls back to a lane', () => {
  const picker = balancerOf().createPicker(createTestView(endpointsOf('canary')))
  expect(picker.pick({})).toBeUndefined()
})

test('supports another metadata key, and names of Object.prototype', () => {
  const endpoints = endpointsOf('', 'blue')
  const picker = balancerOf({ metadataKey: 'constructor' }).createPicker(createTestView(endpoints))
  expect(picker.pick(inLane('toString'))).toBeDefined()
  expect(new Set([picker.pick({}), picker.pick({})])).toEqual(new Set(endpoints))
})

test('inner pickers are kept by subset, and receive only changes of their own endpoints', () => {
  const received: [string, Endpoint][] = []
  const carried: boolean[] = []
  const inner: Balancer = {
    name: 'inner',
    createPicker({ endpoints }, previous) {
      carried.push(previous !== undefined)
      const name = endpoints[0]?.instance.metadata['lane'] ?? 'base'
      return { pick: () => endpoints[0], changed: (endpoint) => received.push([name, endpoint]) }
    },
  }
  const balancer = balancerOf({ balancer: inner })
  const endpoints = endpointsOf('', 'canary')
  const first = balancer.createPicker(createTestView(endpoints))
  const second = balancer.createPicker(createTestView(endpoints), first)
  expect(carried).toEqual([false, false, true, true])
  for (const endpoint of [...endpoints, ...endpointsOf('other')]) second.changed?.(endpoint)
  expect(received).toEqual([
    ['base', endpoints[0]],
    ['canary', endpoints[1]],
  ])
  balancerOf({ balancer: inner }).createPicker(createTestView(endpoints), second)
  expect(carried.slice(4)).toEqual([false, false])
  expect(balancerOf().createPicker(createTestView(endpoints)).changed).toBeUndefined()
  expect(balancer.name).toBe('subset-inner')
})

test('for any lanes and label, a pick is from the lane, otherwise from the base', () => {
  const lane = fc.constantFrom('', 'a', 'b', 'c')
  fc.assert(
    fc.property(fc.array(lane, { maxLength: 8 }), lane, (lanes, wanted) => {
      const picker = balancerOf().createPicker(createTestView(endpointsOf(...lanes)))
      const found = picker.pick(wanted === '' ? {} : inLane(wanted))
      const expected = lanes.includes(wanted) ? wanted : lanes.includes('') ? '' : undefined
      expect(found && (found.instance.metadata['lane'] ?? '')).toBe(expected)
    }),
  )
})

test('only the balancer of the endpoint receives a response', () => {
  const received: [string, Endpoint][] = []
  const inner: Balancer = {
    name: 'inner',
    createPicker: ({ endpoints }) => ({
      pick: () => undefined,
      responded: (one) => received.push([String(endpoints.length), one]),
    }),
  }
  const endpoints = endpointsOf('', '', 'canary')
  const picker = balancerOf({ balancer: inner }).createPicker(createTestView(endpoints))
  for (const endpoint of endpoints) picker.responded?.(endpoint, {})
  expect(received).toEqual([
    ['2', endpoints[0]],
    ['2', endpoints[1]],
    ['1', endpoints[2]],
  ])
  expect(picker.changed).toBeUndefined()
  expect(balancerOf().createPicker(createTestView(endpoints)).responded).toBeUndefined()
})

test('rejects invalid options', () => {
  const balancer = createRoundRobinBalancer()
  expect(() => createSubsetBalancer(undefined as never)).toThrow('Invalid options')
  expect(() => createSubsetBalancer({ label } as never)).toThrow('Invalid balancer')
  expect(() => createSubsetBalancer({ balancer } as never)).toThrow('Invalid label')
  expect(() => createSubsetBalancer({ balancer, label, metadataKey: '' })).toThrow('Invalid metadataKey')
  expect(() => createSubsetBalancer({ balancer, label, fallback: 'any' as never })).toThrow('Invalid fallback')
  expect(() => createSubsetBalancer({ balancer, label, lanes: 1 } as never)).toThrow('Invalid lanes: unknown field')
})

test('each decision is published, with only those labels that an instance has', () => {
  const events: unknown[] = []
  const end = subscribeTelemetry('sd:v1:subset:pick', (event) => events.push(event))
  const [base, canary] = endpointsOf('', 'canary') as [Endpoint, Endpoint]
  const picker = balancerOf().createPicker(createTestView([base, canary]))
  picker.pick({})
  picker.pick(inLane('canary'))
  picker.pick(inLane('canary', { attempted: [canary] }))
  picker.pick(inLane('invented-by-a-client'))
  picker.pick(inLane('canary', { attempted: [base, canary] }))
  picker.pick(inLane('canary', { isProbe: true }))
  balancerOf().createPicker(createTestView([])).pick({})
  end()
  const expected = [
    ['', 'subset'],
    ['canary', 'subset'],
    ['canary', 'base'],
    ['unknown', 'base'],
    ['canary', 'none'],
  ]
  const named = { balancer: 'subset-round-robin', service: 'orders' }
  expect(events).toEqual(expected.map(([subset, outcome]) => ({ ...named, subset, outcome })))
})
