import { SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type Collector,
  createDatabaseCollector,
  createMetrics,
  createServiceCollector,
  createSystemCollector,
  type DatabaseCollectorOptions,
  type Metrics,
} from './index.ts'
import { readSamples, readValue } from './testing/read-metrics.ts'

let metrics: Metrics
const errors: unknown[] = []

beforeEach(() => {
  vi.useFakeTimers()
  errors.length = 0
  metrics = createMetrics({ onError: (error) => errors.push(error) })
})
afterEach(() => {
  metrics.close()
  vi.useRealTimers()
})

function runs(collector: string, result: string): Promise<number | undefined> {
  return readValue(metrics.register, `sd_collector_runs_total{collector="${collector}",result="${result}"}`)
}

const never = (): Promise<never> => new Promise(() => {})

describe('a collector', () => {
  test('runs at once and on its spread interval until it is stopped', async () => {
    const at: number[] = []
    const start = Date.now()
    const end = metrics.addCollector({ name: 'own', intervalMs: 1_000, collect: () => void at.push(Date.now() - start) })
    await vi.advanceTimersByTimeAsync(20_000)
    expect(at[0]).toBe(0)
    const gaps = at.slice(1).map((time, index) => time - (at[index] as number))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(899)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1_101)
    expect(new Set(gaps).size).toBeGreaterThan(3)
    expect(await runs('own', 'ok')).toBe(at.length)
    expect(await readValue(metrics.register, 'sd_collector_last_success_timestamp_seconds{collector="own"}')).toBeCloseTo(
      (start + (at.at(-1) ?? 0)) / 1_000,
    )
    end()
    end()
    const before = at.length
    await vi.advanceTimersByTimeAsync(5_000)
    expect(at).toHaveLength(before)
  })

  test('that fails or hangs is counted, never overlaps, and does not affect the others', async () => {
    let hanging = 0
    metrics.addCollector({ name: 'fails', intervalMs: 1_000, collect: () => Promise.reject(new Error('broken')) })
    metrics.addCollector({
      name: 'throws',
      intervalMs: 1_000,
      collect() {
        throw new Error('broken')
      },
    })
    metrics.addCollector({
      name: 'hangs',
      intervalMs: 1_000,
      timeoutMs: 300,
      collect() {
        hanging++
        return never()
      },
    })
    metrics.addCollector({ name: 'works', intervalMs: 1_000, collect: () => {} })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await runs('fails', 'failed')).toBeGreaterThanOrEqual(9)
    expect(await runs('throws', 'failed')).toBeGreaterThanOrEqual(9)
    expect(await runs('works', 'ok')).toBeGreaterThanOrEqual(9)
    expect(hanging).toBe(1)
    expect(await runs('hangs', 'timeout')).toBe(1)
    expect(await runs('hangs', 'skipped')).toBeGreaterThanOrEqual(8)
    expect(errors).toContainEqual(new Error('broken'))
    expect(errors).toContainEqual(expect.objectContaining({ code: 'SD_TIMEOUT' }))
  })

  test('that exceeded its limit runs again once it has ended', async () => {
    let count = 0
    const collect = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, count++ === 0 ? 2_500 : 0))
    metrics.addCollector({ name: 'late', intervalMs: 1_000, timeoutMs: 500, collect })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await runs('late', 'timeout')).toBe(1)
    expect(await runs('late', 'ok')).toBeGreaterThanOrEqual(4)
  })

  test('is stopped with the metrics: its signal aborts, and it is closed once', async () => {
    let signal: AbortSignal | undefined
    const close = vi.fn()
    metrics.addCollector({
      name: 'own',
      intervalMs: 1_000,
      collect: (_, options) => {
        signal = options.signal
        return never()
      },
      close,
    })
    metrics.addCollector({
      name: 'cannot be closed',
      intervalMs: 1_000,
      collect: () => {},
      close() {
        throw new Error('broken')
      },
    })
    await vi.advanceTimersByTimeAsync(0)
    metrics.close()
    expect(signal?.aborted).toBe(true)
    expect(close).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(errors).toEqual([new Error('broken')])
    expect(metrics.register.getMetricsAsArray()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('has a unique name, an interval and a function', () => {
    const collector: Collector = { name: 'own', intervalMs: 1_000, collect: () => {} }
    metrics.addCollector(collector)
    expect(() => metrics.addCollector(collector)).toThrow(expect.objectContaining({ code: 'SD_CONFLICT' }))
    for (const bad of [{ name: '' }, { intervalMs: 0 }, { timeoutMs: 0 }, { collect: 1 }]) {
      expect(() => metrics.addCollector({ ...collector, ...bad } as Collector)).toThrow(SdError)
    }
  })
})

describe('a database', () => {
  const samples = async (): Promise<readonly string[]> =>
    (await readSamples(metrics.register)).filter((line) => line.startsWith('sd_database'))

  test('is up while it responds, and reports the state of its pool', async () => {
    let isUnreachable = false
    metrics.addCollector(
      createDatabaseCollector({
        name: 'orders-db',
        intervalMs: 1_000,
        ping: () => (isUnreachable ? Promise.reject(new Error('away')) : new Promise((resolve) => setTimeout(resolve, 250))),
        pool: () => ({ size: 10, idle: 4, waiting: 3 }),
      }),
    )
    await vi.advanceTimersByTimeAsync(300)
    expect(await samples()).toEqual([
      'sd_database_ping_duration_seconds{database="orders-db"} 0.25',
      'sd_database_pool_connections{database="orders-db",state="active"} 6',
      'sd_database_pool_connections{database="orders-db",state="idle"} 4',
      'sd_database_pool_waiting{database="orders-db"} 3',
      'sd_database_up{database="orders-db"} 1',
    ])
    isUnreachable = true
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await samples()).toContain('sd_database_up{database="orders-db"} 0')
    expect(await runs('database:orders-db', 'failed')).toBeUndefined()
  })

  test('that hangs is down at the limit, and is not pinged again while the ping hangs', async () => {
    const ping = vi.fn(never)
    metrics.addCollector(createDatabaseCollector({ name: 'stuck', intervalMs: 1_000, timeoutMs: 200, ping }))
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await samples()).toEqual(['sd_database_up{database="stuck"} 0'])
    expect(ping).toHaveBeenCalledTimes(1)
  })

  test('that responds after the limit stays down', async () => {
    const ping = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 500))
    metrics.addCollector(createDatabaseCollector({ name: 'slow', intervalMs: 10_000, timeoutMs: 200, ping }))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await samples()).toEqual(['sd_database_up{database="slow"} 0'])
  })

  test('with an unreadable pool fails the run of the collector', async () => {
    const pool = (): never => {
      throw new Error('no pool')
    }
    metrics.addCollector(createDatabaseCollector({ name: 'odd', ping: () => Promise.resolve(), pool }))
    await vi.advanceTimersByTimeAsync(10)
    expect(await runs('database:odd', 'failed')).toBe(1)
    expect(await samples()).toContain('sd_database_up{database="odd"} 1')
  })

  test.each([{ name: '' }, { ping: 1 }, { pool: 1 }, { query: 'SELECT 1' }])('rejects %o', (bad) => {
    const options = { name: 'db', ping: () => Promise.resolve(), ...bad } as unknown as DatabaseCollectorOptions
    expect(() => createDatabaseCollector(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID' }))
  })
})

test('services are pinged one by one', async () => {
  metrics.addCollector(createServiceCollector({ name: 'billing', ping: () => Promise.resolve() }))
  metrics.addCollector(createServiceCollector({ name: 'stock', ping: () => Promise.reject(new Error('away')) }))
  await vi.advanceTimersByTimeAsync(10)
  expect(await readValue(metrics.register, 'sd_service_up{service="billing"}')).toBe(1)
  expect(await readValue(metrics.register, 'sd_service_up{service="stock"}')).toBe(0)
  expect(() => createServiceCollector({ name: 'x', ping: () => Promise.resolve(), pool: 1 } as never)).toThrow(SdError)
})

test('the system is measured', async () => {
  vi.useRealTimers()
  metrics.addCollector(createSystemCollector({ intervalMs: 100 }))
  const value = async (sample: string): Promise<number> => (await readValue(metrics.register, `sd_${sample}`)) ?? Number.NaN
  await vi.waitFor(
    async () => expect(await value('process_event_loop_delay_seconds{statistic="max"}')).toBeGreaterThanOrEqual(0),
    10_000,
  )
  expect(await value('process_cpu_seconds_total{mode="user"}')).toBeGreaterThan(0)
  expect(await value('process_memory_bytes{area="resident"}')).toBeGreaterThan(10_000_000)
  expect(await value('process_start_time_seconds')).toBeLessThanOrEqual(Date.now() / 1_000)
  expect(await value('process_event_loop_utilization_ratio')).toBeLessThanOrEqual(1)
  expect(await value('host_cpu_seconds_total{mode="idle"}')).toBeGreaterThan(0)
  expect(await value('host_memory_bytes{area="total"}')).toBeGreaterThan(await value('host_memory_bytes{area="free"}'))
  expect(await value('host_load1')).toBeGreaterThanOrEqual(0)
})
