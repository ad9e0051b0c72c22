import { SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createOutlierDetector, type OutlierDetectorOptions, type OutlierEjection } from './index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Envoy's values where the defaults differ. */
const envoy = { baseEjectionMs: 30_000, maxEjectedShare: 0.1, maxJitterMs: 0 }
const hosts = Array.from({ length: 10 }, (_, index) => `host-${index}`)

function start(options: OutlierDetectorOptions<string> = {}) {
  const ejections: [string, OutlierEjection][] = []
  const detector = createOutlierDetector({ ...envoy, onEject: (...ejection) => ejections.push(ejection), ...options })
  detector.setHosts(hosts)
  return {
    detector,
    ejections,
    reasons: () => ejections.map(([host, { reason }]) => `${host} ${reason}`),
    respond(host: string, status: number, times = 1) {
      for (let time = 0; time < times; time++) detector.observe(host, { ok: status < 500, status })
    },
    endInterval() {
      vi.advanceTimersByTime(10_000)
      detector.observe('host-9', { ok: true })
    },
  }
}

describe('consecutive errors', () => {
  test('five eject a host; a success in between resets the number', () => {
    const { detector, ejections, respond } = start()
    respond('host-1', 500, 4)
    respond('host-1', 404)
    respond('host-1', 503, 4)
    expect(ejections).toEqual([])
    respond('host-1', 500)
    expect(ejections).toEqual([['host-1', { reason: 'consecutive-5xx', forMs: 30_000 }]])
    vi.advanceTimersByTime(29_999)
    expect(detector.isEjected('host-1')).toBe(true)
    vi.advanceTimersByTime(1)
    expect(detector.isEjected('host-1')).toBe(false)
  })

  test('eject for longer each time, and for less after healthy intervals', () => {
    const { ejections, respond } = start()
    for (let time = 0; time < 12; time++) {
      respond('host-1', 500, 5)
      vi.advanceTimersByTime(ejections.at(-1)?.[1].forMs ?? 0)
    }
    vi.advanceTimersByTime(40_000)
    respond('host-1', 500, 5)
    const seconds = ejections.map(([, { forMs }]) => forMs / 1_000)
    expect(seconds).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300, 210])
  })

  test('eject for 5 to 6 s at first by default, and at most half of the hosts', () => {
    const ejections: OutlierEjection[] = []
    const detector = createOutlierDetector<string>({ onEject: (_, ejection) => ejections.push(ejection) })
    detector.setHosts(hosts)
    for (const host of hosts) for (let time = 0; time < 5; time++) detector.observe(host, { ok: false, status: 500 })
    expect(ejections).toHaveLength(5)
    for (const { forMs } of ejections) {
      expect(forMs).toBeGreaterThanOrEqual(5_000)
      expect(forMs).toBeLessThan(6_000)
    }
  })

  test('end early on a success of an attempt that began during the ejection, as in a panic', () => {
    const restored = vi.fn()
    const { detector, respond } = start({ onRestore: restored })
    vi.advanceTimersByTime(1_000)
    respond('host-1', 500, 5)
    const before = performance.now() - 10
    detector.observe('host-1', { ok: true, status: 200, startedAt: before })
    detector.observe('host-1', { ok: true, status: 200 })
    expect([detector.isEjected('host-1'), restored.mock.calls]).toEqual([true, []])
    vi.advanceTimersByTime(500)
    detector.observe('host-1', { ok: false, status: 500, startedAt: performance.now() })
    detector.observe('host-1', { ok: true, status: 200, startedAt: performance.now() })
    expect([detector.isEjected('host-1'), restored.mock.calls]).toEqual([false, [['host-1']]])
  })

  test('exclude attempts that began before the last success', () => {
    const { detector, ejections } = start()
    const before = performance.now()
    vi.advanceTimersByTime(100)
    detector.observe('host-1', { ok: true, status: 200, startedAt: performance.now() })
    vi.advanceTimersByTime(100)
    for (let time = 0; time < 20; time++) detector.observe('host-1', { ok: false, startedAt: before })
    expect(ejections).toEqual([])
    for (let time = 0; time < 5; time++) detector.observe('host-1', { ok: false, startedAt: performance.now() })
    expect(ejections).toHaveLength(1)
  })

  test('eject a host once, and not again at the end of the interval', () => {
    const { detector, reasons, respond, endInterval } = start({ baseEjectionMs: 1_000 })
    for (const host of hosts) respond(host, 200, 95)
    respond('host-1', 500, 5)
    expect(reasons()).toEqual(['host-1 consecutive-5xx'])
    vi.advanceTimersByTime(2_000)
    respond('host-1', 200, 100)
    endInterval()
    expect(reasons()).toHaveLength(1)
    expect(detector.isEjected('host-1')).toBe(false)
  })

  test('are ignored while the host is ejected', () => {
    const { ejections, respond } = start({ baseEjectionMs: 1_000 })
    respond('host-1', 500, 9)
    vi.advanceTimersByTime(1_000)
    respond('host-1', 500, 4)
    expect(ejections).toHaveLength(1)
  })

  test.each([
    ['a failed connection', { ok: false, error: new SdError('SD_UNAVAILABLE', 'refused') }, true],
    ['a timeout', { ok: false, error: new SdError('SD_TIMEOUT', 'late') }, true],
    ['a body that broke off', { ok: false, status: 200, error: new SdError('SD_UNAVAILABLE', 'reset') }, true],
    ['a 500 that the caller read no further', { ok: true, status: 500, error: new SdError('SD_ABORTED', 'enough') }, true],
    ['an abort', { ok: false, error: new SdError('SD_ABORTED', 'enough') }, false],
    ['an AbortError', { ok: false, error: new DOMException('enough', 'AbortError') }, false],
    ['a refusal by this process', { ok: false, error: new SdError('SD_REJECTED', 'full') }, false],
    ['bad input', { ok: false, error: new SdError('SD_INVALID', 'path') }, false],
    ['a respond that was too large', { ok: false, status: 200, error: new SdError('SD_TOO_LARGE', 'body') }, false],
    ['a 4xx', { ok: true, status: 429 }, false],
  ])('%s is an error: %s', (_, outcome, counts) => {
    const { detector, ejections } = start()
    for (let time = 0; time < 5; time++) detector.observe('host-1', outcome)
    expect(ejections).toHaveLength(counts ? 1 : 0)
  })

  test('follow isError', () => {
    const { ejections, respond } = start({ isError: ({ status }) => status === 429 })
    respond('host-1', 500, 5)
    respond('host-2', 429, 5)
    expect(ejections.map(([host]) => host)).toEqual(['host-2'])
  })

  test('of a gateway can have their own limit, and each rule can be disabled', () => {
    const { detector, reasons, respond } = start({ consecutiveGatewayErrors: 2, consecutive5xx: false, maxEjectedShare: 1 })
    respond('host-1', 500, 20)
    respond('host-2', 502)
    respond('host-2', 500)
    respond('host-2', 503)
    expect(reasons()).toEqual([])
    respond('host-2', 504)
    for (let time = 0; time < 2; time++) detector.observe('host-3', { ok: false, error: new Error('refused') })
    expect(reasons()).toEqual(['host-2 consecutive-gateway-errors', 'host-3 consecutive-gateway-errors'])
  })
})

describe('at the end of an interval', () => {
  test('a host far below the mean is ejected', () => {
    const { reasons, respond, endInterval } = start({ consecutive5xx: false })
    for (const host of hosts) {
      respond(host, 200, host === 'host-3' ? 80 : 99)
      respond(host, 500, host === 'host-3' ? 20 : 1)
    }
    expect(reasons()).toEqual([])
    endInterval()
    expect(reasons()).toEqual(['host-3 success-rate'])
  })

  test('no host is ejected if all are similar, hosts or requests are too few, or the rule is disabled', () => {
    const cases: [OutlierDetectorOptions<string>, number, number][] = [
      [{}, 10, 100],
      [{ successRate: { minRequests: 200 } }, 10, 100],
      [{ successRate: { minHosts: 11 } }, 10, 100],
      [{ successRate: false }, 10, 100],
    ]
    for (const [index, [options, count, requests]] of cases.entries()) {
      const { reasons, respond, endInterval } = start({ consecutive5xx: false, ...options })
      for (const host of hosts.slice(0, count)) respond(host, index > 0 && host === 'host-0' ? 500 : 200, requests)
      endInterval()
      expect(reasons(), `case ${index}`).toEqual([])
    }
  })

  test('the worst hosts are ejected first, up to the cap', () => {
    const { reasons, respond, endInterval } = start({
      consecutive5xx: false,
      successRate: false,
      failurePercentage: { threshold: 60 },
      maxEjectedShare: 0.2,
    })
    for (const [index, host] of hosts.entries()) {
      respond(host, 500, index * 10)
      respond(host, 200, 100 - index * 10)
    }
    endInterval()
    expect(reasons()).toEqual(['host-9 failure-percentage', 'host-8 failure-percentage'])
  })

  test('numbers are reset, and ejected hosts are not compared', () => {
    const { reasons, respond, endInterval } = start({ failurePercentage: {}, successRate: false, maxEjectedShare: 1 })
    for (const host of hosts) respond(host, 500, 4)
    respond('host-0', 500)
    for (const host of hosts) respond(host, 200, 50)
    endInterval()
    for (const host of hosts) respond(host, 500, 4)
    endInterval()
    expect(reasons()).toEqual(['host-0 consecutive-5xx'])
  })
})

describe('the cap', () => {
  test('allows one ejection even above the share, but none with a share of 0', () => {
    for (const [maxEjectedShare, expected] of [
      [0.01, 1],
      [0, 0],
    ] as const) {
      const { ejections, respond } = start({ maxEjectedShare })
      for (const host of hosts) respond(host, 500, 5)
      expect(ejections).toHaveLength(expected)
    }
  })

  test('allows the next ejection when a host is restored', () => {
    const { ejections, respond } = start()
    respond('host-0', 500, 5)
    respond('host-1', 500, 5)
    vi.advanceTimersByTime(30_000)
    respond('host-1', 500, 4)
    expect(ejections).toHaveLength(1)
    respond('host-1', 500)
    expect(ejections.map(([host]) => host)).toEqual(['host-0', 'host-1'])
  })
})

test('jitter is added at random', () => {
  const { ejections, respond } = start({ maxJitterMs: 1_000, random: () => 0.5 })
  respond('host-0', 500, 5)
  expect(ejections[0]?.[1].forMs).toBe(30_500)
})

test('execute works with any async function', async () => {
  const detector = createOutlierDetector({ consecutive5xx: 2 })
  detector.setHosts(['a', 'b'])
  const fail = async (): Promise<never> => {
    throw new Error('down')
  }
  await expect(detector.execute('a', fail)).rejects.toThrow('down')
  expect(await detector.execute('a', () => 'fine')).toBe('fine')
  for (let time = 0; time < 2; time++) await expect(detector.execute('a', fail)).rejects.toThrow('down')
  expect([detector.isEjected('a'), detector.isEjected('b'), detector.isEjected('unknown')]).toEqual([true, false, false])
})

test.each([
  ['consecutive5xx', { consecutive5xx: 0 }],
  ['consecutiveGatewayErrors', { consecutiveGatewayErrors: 1.5 }],
  ['successRate.minHosts', { successRate: { minHosts: 1 } }],
  ['successRate.hosts', { successRate: { hosts: 1 } }],
  ['failurePercentage.threshold', { failurePercentage: { threshold: 101 } }],
  ['maxEjectionMs', { maxEjectionMs: 4_999 }],
  ['maxJitterMs', { maxJitterMs: -1 }],
  ['maxEjectedShare', { maxEjectedShare: 2 }],
  ['isError', { isError: 1 }],
  ['onEject', { onEject: 1 }],
  ['onRestore', { onRestore: 1 }],
  ['rampMs', { rampMs: 1 }],
])('a bad %s is refused', (field, options) => {
  expect(() => createOutlierDetector(options as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})
