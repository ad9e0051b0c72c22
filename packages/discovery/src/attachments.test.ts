import { type Balancer, createEndpoint, createServiceInstance, type Endpoint, type EndpointView, type Picker } from '@sd/core'
import { plainSpec } from '@sd/testing'
import { describe, expect, test, vi } from 'vitest'
import { Attachments } from './attachments.ts'

function endpointAt(index: number, isTrial = false): Endpoint {
  const endpoint = createEndpoint(createServiceInstance(plainSpec('orders', index)))
  if (isTrial) endpoint.block('accrual', { reason: 'failing', forMs: 0, isTrial })
  return endpoint
}

/** A balancer that picks the first endpoint that was not attempted, with what it was called with. */
function createFirst() {
  const pickers: { readonly view: EndpointView; readonly previous: Picker | undefined; readonly picker: Picker }[] = []
  const balancer: Balancer = {
    name: 'first',
    createPicker(view, previous) {
      const picker: Picker = {
        pick: vi.fn<Picker['pick']>(({ attempted = [] }) => view.endpoints.find((endpoint) => !attempted.includes(endpoint))),
        changed: vi.fn(),
        responded: vi.fn(),
      }
      pickers.push({ view, previous, picker })
      return picker
    },
  }
  return { balancer, pickers }
}

function attach(endpoints: readonly Endpoint[], mayTry: (endpoint: Endpoint, isRepeatable: boolean) => boolean = () => true) {
  const source = { view: { endpoints } as EndpointView, mayTry: vi.fn(mayTry) }
  const attachments = new Attachments({ currentView: () => source.view, mayTry: source.mayTry })
  const { balancer, pickers } = createFirst()
  return { source, attachments, pickers, attached: attachments.attach(balancer) }
}

describe('an attached balancer', () => {
  test('makes one picker per view, each from the one before', () => {
    const { source, pickers, attached } = attach([endpointAt(1)])
    attached.pick({})
    attached.pick({})
    expect(pickers).toHaveLength(1)
    source.view = { endpoints: [endpointAt(2)] } as unknown as EndpointView
    expect([attached.pick({}), attached.pick({})]).toEqual([source.view.endpoints[0], source.view.endpoints[0]])
    expect(pickers).toHaveLength(2)
    expect(pickers[1]).toMatchObject({ view: source.view, previous: pickers[0]?.picker })
  })

  test('learns of changed endpoints and of heads of responses, until it is detached', () => {
    const endpoint = endpointAt(1)
    const { attachments, pickers, attached } = attach([endpoint])
    const headers = { 'set-cookie': 'a=1' }
    attached.responded?.(endpoint, headers)
    attachments.changed(endpoint)
    const picker = pickers[0]?.picker
    expect(picker?.responded).toHaveBeenCalledExactlyOnceWith(endpoint, headers)
    expect(picker?.changed).toHaveBeenCalledExactlyOnceWith(endpoint)
    expect(attachments.size).toBe(1)
    attached.detach()
    attachments.changed(endpoint)
    expect([attachments.size, vi.mocked(picker?.changed as never as () => void).mock.calls.length]).toEqual([0, 1])
  })
})

describe('a pick', () => {
  test('of an endpoint that is not due for a trial, or by a probe, uses no trial', () => {
    const healthy = attach([endpointAt(1)])
    expect(healthy.attached.pick({})).toBe(healthy.source.view.endpoints[0])
    const due = attach([endpointAt(1, true)])
    expect(due.attached.pick({ isProbe: true })).toBe(due.source.view.endpoints[0])
    expect([healthy.source.mayTry.mock.calls, due.source.mayTry.mock.calls]).toEqual([[], []])
  })

  test('of nothing is nothing', () => {
    expect(attach([]).attached.pick({})).toBeUndefined()
  })

  test.each([
    ['repeatable', {}, true],
    ['not repeatable', { repeatable: false }, false],
  ])('of an endpoint that is due, by a request that is %s, asks for the trial', (_, request, isRepeatable) => {
    const { source, attached } = attach([endpointAt(1, true), endpointAt(2)])
    expect(attached.pick(request)).toBe(source.view.endpoints[0])
    expect(source.mayTry.mock.calls).toEqual([[source.view.endpoints[0], isRepeatable]])
  })

  test('goes to another endpoint for the same request if the trial is kept for another request', () => {
    const [one, two, three] = [endpointAt(1), endpointAt(2, true), endpointAt(3)]
    const { source, attached, pickers } = attach([one, two, three], () => false)
    const request = { service: 'orders', method: 'POST', path: '/a', headers: { a: 'b' }, hashKey: 'k' }
    expect(attached.pick({ ...request, repeatable: false, attempted: [one] })).toBe(three)
    expect(pickers[0]?.picker.pick).toHaveBeenLastCalledWith({ ...request, attempted: [one, two] })
    expect(source.mayTry.mock.calls).toEqual([[two, false]])
  })

  test('takes the trial of the other endpoint, if that one is due too', () => {
    const [one, two] = [endpointAt(1, true), endpointAt(2, true)]
    const { source, attached } = attach([one, two], (_, isRepeatable) => isRepeatable)
    expect(attached.pick({ repeatable: false })).toBe(two)
    expect(source.mayTry.mock.calls).toEqual([
      [one, false],
      [two, true],
    ])
  })

  test.each([
    ['there is no other endpoint', () => []],
    ['the other one may not be tried either', () => [endpointAt(2, true)]],
  ])('takes the trial after all if %s', (_, others) => {
    const one = endpointAt(1, true)
    const { source, attached } = attach([one, ...others()], () => false)
    expect(attached.pick({ repeatable: false })).toBe(one)
    expect(source.mayTry).toHaveBeenLastCalledWith(one, true)
  })
})
