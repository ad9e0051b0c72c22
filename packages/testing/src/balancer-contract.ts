import assert from 'node:assert/strict'
import { type Balancer, checkFunction, checkKnownKeys, checkObject, type Endpoint, type Picker, type PickRequest } from '@sd/core'
import { bindCases, type CaseBody, type ContractCase } from './contract.ts'
import { countPicks } from './distribution.ts'
import { acquire, createTestEndpoints, createTestView, release } from './endpoints.ts'

/** Connects the balancer contract with an implementation. */
export interface BalancerHarness {
  /** Creates a balancer. */
  readonly create: () => Balancer
}

/** Requests of different users, so that hashing balancers spread the load too. */
function byUser(index: number): PickRequest {
  return { hashKey: `user-${index}` }
}

/** Returns the endpoints of `count` picks. Each pick must return one, because some endpoint is always available. */
function pickedKeys(picker: Picker, count: number): Set<string> {
  const counts = countPicks(picker, count, byUser)
  assert.equal(
    [...counts.values()].reduce((sum, picks) => sum + picks, 0),
    count,
    'every pick returns an endpoint',
  )
  return new Set(counts.keys())
}

function keys(endpoints: readonly Endpoint[]): Set<string> {
  return new Set(endpoints.map(({ key }) => key))
}

const cases: Readonly<Record<string, CaseBody<Balancer>>> = {
  'it has a name': async (balancer) => {
    assert.match(balancer.name, /^[a-z][a-z0-9-]*$/)
  },

  'an empty list yields no endpoint': async (balancer) => {
    assert.equal(balancer.createPicker(createTestView([])).pick({}), undefined)
  },

  'a single endpoint is always picked': async (balancer) => {
    const [only] = createTestEndpoints([1])
    const picker = balancer.createPicker(createTestView(only ? [only] : []))
    for (let index = 0; index < 10; index++) assert.equal(picker.pick(byUser(index)), only)
  },

  'every endpoint of positive weight is reached, one of weight 0 never': async (balancer) => {
    const endpoints = createTestEndpoints([1, 0, 2, 0.5, 0])
    const picker = balancer.createPicker(createTestView(endpoints))
    assert.deepEqual(pickedKeys(picker, 2_000), keys(endpoints.filter(({ instance }) => instance.weight > 0)))
  },

  'effective weights apply, not those of the instances': async (balancer) => {
    const endpoints = createTestEndpoints([1, 1])
    const picker = balancer.createPicker(createTestView(endpoints, [0, 1]))
    assert.deepEqual(pickedKeys(picker, 100), keys(endpoints.slice(1)))
  },

  'weights of 0 everywhere yield no endpoint': async (balancer) => {
    assert.equal(balancer.createPicker(createTestView(createTestEndpoints([0, 0]))).pick({}), undefined)
  },

  'attempted endpoints are not picked again, until none is left': async (balancer) => {
    const endpoints = createTestEndpoints([1, 5, 1, 3])
    const picker = balancer.createPicker(createTestView(endpoints))
    for (let round = 0; round < 50; round++) {
      const attempted: Endpoint[] = []
      for (let attempt = 0; attempt < endpoints.length; attempt++) {
        const picked = picker.pick({ attempted, hashKey: `user-${round}` })
        assert(picked && !attempted.includes(picked), 'an endpoint that was not attempted')
        attempted.push(picked)
      }
      assert.equal(picker.pick({ attempted, hashKey: `user-${round}` }), undefined)
    }
  },

  'an unavailable endpoint is skipped at once, and picked when available again': async (balancer) => {
    const endpoints = createTestEndpoints([1, 1, 1])
    const picker = balancer.createPicker(createTestView(endpoints))
    const [first] = endpoints
    assert(first)
    first.block('test')
    picker.changed?.(first)
    assert.deepEqual(pickedKeys(picker, 500), keys(endpoints.slice(1)))
    first.unblock('test')
    picker.changed?.(first)
    assert.deepEqual(pickedKeys(picker, 500), keys(endpoints))
  },

  'no endpoint is picked while none is available': async (balancer) => {
    const endpoints = createTestEndpoints([1, 1])
    const picker = balancer.createPicker(createTestView(endpoints))
    for (const endpoint of endpoints) {
      endpoint.block('test')
      picker.changed?.(endpoint)
    }
    assert.equal(picker.pick({}), undefined)
  },

  'a new view takes effect: added endpoints are picked, removed ones are not': async (balancer) => {
    const endpoints = createTestEndpoints([1, 1, 1, 1])
    const before = balancer.createPicker(createTestView(endpoints.slice(0, 3)))
    countPicks(before, 10, byUser)
    const after = balancer.createPicker(createTestView(endpoints.slice(1)), before)
    assert.deepEqual(pickedKeys(after, 2_000), keys(endpoints.slice(1)))
    const reweighted = balancer.createPicker(createTestView(endpoints.slice(1), [0, 1, 1]), after)
    assert.deepEqual(pickedKeys(reweighted, 2_000), keys(endpoints.slice(2)))
    const none = balancer.createPicker(createTestView([]), reweighted)
    assert.equal(none.pick({}), undefined)
    const again = balancer.createPicker(createTestView(endpoints), none)
    assert.deepEqual(pickedKeys(again, 2_000), keys(endpoints))
  },

  'a previous picker of another balancer is ignored': async (balancer) => {
    const endpoints = createTestEndpoints([1, 1])
    const picker = balancer.createPicker(createTestView(endpoints), { pick: () => undefined })
    assert.deepEqual(pickedKeys(picker, 500), keys(endpoints))
  },

  'a change of an endpoint outside the view is ignored': async (balancer) => {
    const endpoints = createTestEndpoints([1, 1, 1])
    const picker = balancer.createPicker(createTestView(endpoints.slice(0, 2)))
    const stranger = endpoints[2]
    assert(stranger)
    acquire(stranger, picker)
    release(stranger, picker)
    assert.deepEqual(pickedKeys(picker, 500), keys(endpoints.slice(0, 2)))
  },

  'all of a thousand endpoints are reached while requests start and end': async (balancer) => {
    const endpoints = createTestEndpoints(new Array<number>(1_000).fill(1))
    const picker = balancer.createPicker(createTestView(endpoints))
    const reached = new Set<Endpoint>()
    const active: Endpoint[] = []
    for (let index = 0; index < 20_000; index++) {
      const picked = picker.pick(byUser(index))
      assert(picked)
      reached.add(picked)
      acquire(picked, picker)
      active.push(picked)
      const ended = active.length > 50 ? active.shift() : undefined
      if (ended) release(ended, picker)
    }
    assert.equal(reached.size, endpoints.length)
  },
}

/**
 * The contract of `Balancer`. It does not cover how evenly the load is spread; test that per implementation.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function balancerContract(harness: BalancerHarness): readonly ContractCase[] {
  checkKnownKeys('harness', checkObject('harness', harness), ['create'])
  checkFunction('harness.create', harness.create)
  return bindCases(
    cases,
    async () => harness.create(),
    async () => undefined,
  )
}
