import { describe, expect, test, vi } from 'vitest'
import { createServiceInstance } from '../instance/instance.ts'
import { describeNoInstance, formatOut } from './cluster.ts'
import { createEndpoint } from './endpoint.ts'
import type { EndpointBlock, OutReason } from './endpoint-blocks.ts'

const instance = createServiceInstance({ service: 'orders', address: '10.0.0.1', port: 80 })

describe('blocks', () => {
  test.each<[OutReason, boolean, boolean]>([
    ['ejected', true, true],
    ['breaker', true, true],
    ['blocked', true, true],
    ['unreachable', false, true],
    ['failing', false, true],
    ['retry-after', false, true],
    ['isolated', false, false],
    ['removed', false, false],
  ])('%s: available when judgements are overruled %s, when failures are overruled %s', (reason, judged, failing) => {
    const endpoint = createEndpoint(instance)
    endpoint.block('test', { reason })
    expect([endpoint.available, endpoint.isBlocked, endpoint.isFailing]).toEqual([false, true, !judged])
    endpoint.overrule('judged')
    expect(endpoint.available).toBe(judged)
    endpoint.overrule('failing')
    expect(endpoint.available).toBe(failing)
    endpoint.overrule('none')
    endpoint.unblock('test')
    expect([endpoint.available, endpoint.isBlocked]).toEqual([true, false])
  })

  test('have a source, a reason, a start and an end; the start is kept for the same reason', () => {
    vi.useFakeTimers()
    const onBlock = vi.fn()
    const endpoint = createEndpoint(instance, { onBlock })
    endpoint.block('a', { reason: 'failing', detail: 'five in a row', forMs: 1_000 })
    const since = Date.now()
    vi.advanceTimersByTime(400)
    endpoint.block('a', { reason: 'failing', detail: 'six in a row', forMs: 2_000, isTrial: true })
    const [block] = endpoint.blocks as [EndpointBlock]
    expect(block).toEqual({
      by: 'a',
      reason: 'failing',
      detail: 'six in a row',
      since,
      until: Date.now() + 2_000,
      isTrial: true,
    })
    expect([endpoint.available, endpoint.isTrial, onBlock.mock.calls.length]).toEqual([true, true, 2])
    expect(formatOut(block)).toBe('failing: six in a row, since 0 s, for another 2 s')
    endpoint.block('b')
    expect(endpoint.available).toBe(false)
    endpoint.unblock('c')
    endpoint.unblock('b')
    expect([endpoint.available, onBlock.mock.calls.length]).toEqual([true, 4])
    vi.useRealTimers()
  })
})

describe('why there is no instance', () => {
  const explanation = { service: 'orders', isUnknown: false, isPanic: false, endpoints: [] }

  test('no instance was ever registered, or none is now', () => {
    expect(describeNoInstance({ ...explanation, isUnknown: true })).toMatch(/^Unknown service orders: /)
    expect(describeNoInstance(explanation)).toBe('No instance of orders is registered')
    expect(describeNoInstance({ ...explanation, service: 'orders:admin', isUnknown: true, withoutPort: 2 })).toBe(
      'No instance of orders has a port named admin; 2 registered',
    )
    expect(describeNoInstance({ ...explanation, staleSince: Date.now() - 3_000 })).toMatch(/\(registry unreachable for 3 s\)$/)
  })

  test.each(['orders:8080', '10.0.0.1', '10.0.0.1:80', '/orders'])('%s is probably an address', (service) => {
    expect(describeNoInstance({ ...explanation, service, isUnknown: true })).toMatch(/; use the name of a service/)
  })

  test.each([
    ['filter', '1 excluded by the filter'],
    ['weight', '1 with weight 0'],
    ['subset', '1 outside the subset'],
    ['priority', '1 with a lower priority'],
  ] as const)('none is out, but the %s excludes it', (dropped, text) => {
    const endpoints = [{ endpoint: createEndpoint(instance), weight: 0, dropped, outs: [] }]
    expect(describeNoInstance({ ...explanation, endpoints })).toBe(`No instance of orders may get traffic; 1 registered: ${text}`)
  })

  test('the reasons are counted', () => {
    const endpoint = createEndpoint(instance)
    const out = (reason: OutReason, detail?: string) => ({
      endpoint,
      weight: 0,
      dropped: reason,
      outs: [{ reason, detail, since: 0 }],
    })
    const endpoints = [
      out('ejected', 'checks: down'),
      out('ejected', 'checks: down'),
      out('draining'),
      out('isolated'),
      out('unreachable'),
    ]
    expect(describeNoInstance({ ...explanation, endpoints })).toBe(
      'No instance of orders may get traffic; 5 registered: 2 ejected: checks: down, 1 draining, 1 isolated, and other reasons',
    )
  })
})

describe('latency', () => {
  test('the penalty of a failure disappears within a few successes, and at once on recovery', () => {
    const [steady, recovering] = [createEndpoint(instance), createEndpoint(instance)]
    const response = { ok: true, status: 200, latencyMs: 10 }
    for (const endpoint of [steady, recovering]) {
      for (const outcome of [response, { ok: false, status: 503, latencyMs: 1 }]) endpoint.release(outcome)
      expect(endpoint.latencyMs).toBe(1_000)
    }
    for (let time = 0; time < 7; time++) steady.release(response)
    expect(steady.latencyMs).toBeLessThan(20)
    recovering.block('test', { reason: 'failing' })
    recovering.release(response)
    expect(recovering.latencyMs).toBe(10)
  })
})
