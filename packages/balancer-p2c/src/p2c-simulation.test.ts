import type { Balancer, Endpoint } from '@sd/core'
import { createSeededRandom, createTestEndpoints, createTestView } from '@sd/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { createP2cBalancer } from './index.ts'

/** A request in flight. */
interface Departure {
  readonly at: number
  readonly endpoint: Endpoint
  readonly arrivedAt: number
}

/** Options of a simulation. */
interface Setting {
  /** Requests per second of all clients. */
  readonly requestsPerSecond: number
  /** Mean service time of a host, in milliseconds, at a time of virtual time. */
  readonly serviceMs: (host: number, at: number) => number
  readonly seed: number
}

const roundRobin: Balancer = {
  name: 'rotation',
  createPicker({ endpoints }) {
    let next = -1
    return { pick: () => endpoints[++next % endpoints.length] }
  },
}

const requests = 30_000

afterEach(() => {
  vi.restoreAllMocks()
})

/**
 * Simulates ten hosts with a queue each, which serve one request after the other. Arrivals and service times are
 * exponential. Returns the latency of every request in order of arrival, in virtual milliseconds.
 */
function simulate(balancer: Balancer, { requestsPerSecond, serviceMs, seed }: Setting): number[] {
  let now = 1_000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const random = createSeededRandom(seed)
  const exponential = (mean: number): number => -mean * Math.log(1 - random())
  const endpoints = createTestEndpoints(new Array<number>(10).fill(1))
  const picker = balancer.createPicker(createTestView(endpoints))
  const freeAt = new Map<Endpoint, number>()
  /** Latest first. */
  const departures: Departure[] = []
  const latencies: number[] = []

  function depart(until: number): void {
    for (let next = departures.at(-1); next && next.at <= until; next = departures.at(-1)) {
      departures.pop()
      now = next.at
      next.endpoint.release({ ok: true, latencyMs: next.at - next.arrivedAt })
    }
  }

  for (let index = 0; index < requests; index++) {
    const arrivedAt = now + exponential(1_000 / requestsPerSecond)
    depart(arrivedAt)
    now = arrivedAt
    const endpoint = picker.pick({}) as Endpoint
    endpoint.acquire()
    const startsAt = Math.max(now, freeAt.get(endpoint) ?? 0)
    const at = startsAt + exponential(serviceMs(endpoints.indexOf(endpoint), now))
    freeAt.set(endpoint, at)
    let place = departures.length
    while (place > 0 && (departures[place - 1] as Departure).at < at) place--
    departures.splice(place, 0, { at, endpoint, arrivedAt })
    latencies.push(at - arrivedAt)
  }
  return latencies
}

function p99(latencies: readonly number[]): number {
  return latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] as number
}

function compare(setting: Setting): { p2c: number; rotation: number } {
  const p2c = createP2cBalancer({ random: createSeededRandom(setting.seed + 1_000) })
  return { p2c: p99(simulate(p2c, setting)), rotation: p99(simulate(roundRobin, setting)) }
}

const oneSlow = (host: number): number => (host === 0 ? 100 : 10)

test.each([1, 2, 3, 4, 5])('one of ten hosts 10 x slower, seed %i: p99 is at most half of round robin', (seed) => {
  // The slow host can just handle its tenth: it is 80 % busy under round robin.
  const { p2c, rotation } = compare({ requestsPerSecond: 80, serviceMs: oneSlow, seed })
  expect(p2c).toBeLessThanOrEqual(rotation / 2)
})

test('spares a slow host that cannot handle its tenth', () => {
  const { p2c, rotation } = compare({ requestsPerSecond: 400, serviceMs: oneSlow, seed: 6 })
  expect(p2c).toBeLessThanOrEqual(rotation / 20)
})

test('spares a host that becomes slow', () => {
  const { p2c, rotation } = compare({
    requestsPerSecond: 80,
    serviceMs: (host, at) => (host === 0 && at > 60_000 ? 100 : 10),
    seed: 7,
  })
  expect(p2c).toBeLessThanOrEqual(rotation / 2)
})

test('equal hosts perform no worse than under round robin', () => {
  const { p2c, rotation } = compare({ requestsPerSecond: 700, serviceMs: () => 10, seed: 8 })
  expect(p2c).toBeLessThanOrEqual(rotation)
})
