import { describe, expect, test, vi } from 'vitest'
import { createServiceInstance } from '../instance/instance.ts'
import { type EndpointView, isPickable, scanPickable } from './balancer.ts'
import { createEndpoint, type Endpoint, endpointKey, instanceOrigin } from './endpoint.ts'

const instance = createServiceInstance({ service: 'orders', id: 'a', address: '10.0.0.1', port: 80 })

describe('an endpoint', () => {
  test('is identified by id, address and port, and has an origin', () => {
    expect(endpointKey(instance)).toBe('a|10.0.0.1|80')
    const origins = [
      {},
      { address: '::1' },
      { protocol: 'https' },
      { protocol: 'grpcs' },
      { protocol: 'wss' },
      { protocol: 'grpc' },
    ].map((change) => instanceOrigin(createServiceInstance({ service: 'orders', address: '10.0.0.1', port: 80, ...change })))
    expect(origins).toEqual([
      'http://10.0.0.1:80',
      'http://[::1]:80',
      'https://10.0.0.1:80',
      'https://10.0.0.1:80',
      'https://10.0.0.1:80',
      'http://10.0.0.1:80',
    ])
  })

  test('counts active attempts, never below zero', () => {
    const onChange = vi.fn()
    const endpoint = createEndpoint(instance, { onChange })
    endpoint.acquire()
    endpoint.acquire()
    endpoint.release({ ok: true })
    expect([endpoint.active, onChange.mock.calls.length]).toEqual([1, 3])
    endpoint.release({ ok: true })
    endpoint.release({ ok: true })
    expect(endpoint.active).toBe(0)
  })

  test('averages latency with decay; a failure adds a penalty', () => {
    vi.useFakeTimers()
    const endpoint = createEndpoint(instance, { decayMs: 1_000, failureLatencyMs: 500 })
    expect(endpoint.latencyMs).toBe(0)
    vi.advanceTimersByTime(1)
    endpoint.release({ ok: true, latencyMs: 100 })
    expect(endpoint.latencyMs).toBe(100)
    vi.advanceTimersByTime(1_000)
    endpoint.release({ ok: true, latencyMs: 0 })
    expect(endpoint.latencyMs).toBeCloseTo(100 / Math.E, 5)
    vi.advanceTimersByTime(100_000)
    endpoint.release({ ok: false, latencyMs: 1 })
    expect(endpoint.latencyMs).toBeCloseTo(500, 3)
    vi.useRealTimers()
  })

  test('counts consecutive failures, without those of attempts that began before the last success', () => {
    vi.useFakeTimers()
    const endpoint = createEndpoint(instance)
    const fail = (startedAt: number): void => endpoint.release({ ok: false, startedAt })
    const before = performance.now()
    vi.advanceTimersByTime(10)
    fail(before)
    fail(performance.now())
    expect(endpoint.failures).toBe(2)
    endpoint.release({ ok: true, latencyMs: 5 })
    vi.advanceTimersByTime(10)
    fail(before)
    expect(endpoint.failures).toBe(0)
    fail(performance.now())
    expect(endpoint.failures).toBe(1)
    vi.useRealTimers()
  })

  test('its latency jumps to a peak', () => {
    const endpoint = createEndpoint(instance)
    endpoint.release({ ok: true, latencyMs: 10 })
    endpoint.release({ ok: true, latencyMs: 300 })
    expect(endpoint.latencyMs).toBe(300)
  })

  test('reports every outcome after the statistics were updated', () => {
    const onOutcome = vi.fn((reported: Endpoint) => reported.active)
    const endpoint = createEndpoint(instance, { onOutcome })
    const outcome = { ok: false, status: 503 }
    endpoint.acquire()
    endpoint.release(outcome)
    expect(onOutcome.mock.calls).toEqual([[endpoint, outcome]])
    expect(onOutcome.mock.results).toEqual([{ type: 'return', value: 0 }])
  })

  test('is available without blocks of any kind', () => {
    const onChange = vi.fn()
    const endpoint = createEndpoint(instance, { onChange })
    endpoint.block('a')
    endpoint.block('a')
    endpoint.block('b')
    endpoint.unblock('a')
    endpoint.unblock('c')
    expect([endpoint.available, onChange.mock.calls.length]).toEqual([false, 1])
    endpoint.unblock('b')
    expect([endpoint.available, onChange.mock.calls.length]).toEqual([true, 2])
  })

  test('accepts new instance data', () => {
    const endpoint = createEndpoint(instance)
    const https = createServiceInstance({ service: 'orders', id: 'a', address: '10.0.0.1', port: 80, protocol: 'https' })
    endpoint.update(https)
    expect([endpoint.instance, endpoint.origin]).toEqual([https, 'https://10.0.0.1:80'])
  })
})

test('a pickable endpoint is available, has a positive weight and was not attempted; a scan wraps around', () => {
  const endpoints = ['a', 'b', 'c'].map((id) =>
    createEndpoint(createServiceInstance({ service: 'orders', id, address: 'h', port: 1 })),
  )
  const [a, b, c] = endpoints as [Endpoint, Endpoint, Endpoint]
  const view: EndpointView = { endpoints, weights: Float64Array.of(1, 0, 1), epoch: 1 }
  expect([0, 1, 2, 3].map((index) => isPickable(view, index, {}))).toEqual([true, false, true, false])
  expect([
    scanPickable(view, 1, {}),
    scanPickable(view, 0, { attempted: [a] }),
    scanPickable(view, 0, { attempted: [a, c] }),
  ]).toEqual([c, c, undefined])
  c.block('test')
  expect(scanPickable(view, 1, {})).toBe(a)
  expect(b.available).toBe(true)
})
