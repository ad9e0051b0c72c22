import { createMemoryRegistry } from '@sd/registry-memory'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createHealthReporter,
  createTcpCheck,
  type HealthCheck,
  type HealthReporterOptions,
  type HealthTarget,
  type OwnHealthCheck,
} from './index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A check that fails while `error` is set. */
function createSwitch(name: string, kind?: OwnHealthCheck['kind']) {
  const own = {
    error: undefined as Error | undefined,
    details: undefined as Record<string, string> | undefined,
    entry: {
      check: {
        name,
        async run() {
          if (own.error) throw own.error
          return own.details && { details: own.details }
        },
      },
      ...(kind && { kind }),
    },
  }
  return own
}

/** A registered instance; `updates` are the updates sent to the registry. */
async function register() {
  const registry = createMemoryRegistry()
  onTestFinished(() => registry.close())
  const registration = await registry.register({ service: 'orders', address: '127.0.0.1', port: 80, health: 'unknown' })
  const update = vi.spyOn(registration, 'update')
  return { registry, registration, update }
}

/** A reporter without jitter: it checks at 500 ms first, then every 10 s, or every 1 s while the status may change. */
function report(options: HealthReporterOptions) {
  const reporter = createHealthReporter({ random: () => 0.5, ...options })
  onTestFinished(() => reporter.close())
  return reporter
}

describe('the report', () => {
  test('is unknown before the first results, and live but not ready', () => {
    expect(report({ checks: [createSwitch('database').entry] }).report()).toEqual({
      status: 'unknown',
      isLive: true,
      isReady: false,
      checks: { database: { kind: 'readiness', status: 'unknown', since: Date.now() } },
    })
  })

  test('has the last run of each check', async () => {
    const database = createSwitch('database')
    database.details = { pool: '3/10' }
    const reporter = report({ checks: [database.entry] })
    await vi.advanceTimersByTimeAsync(500)
    const checkedAt = Date.now()
    expect(reporter.report()).toEqual({
      status: 'healthy',
      isLive: true,
      isReady: true,
      checks: {
        database: {
          kind: 'readiness',
          status: 'healthy',
          since: checkedAt,
          lastRun: { checkedAt, durationMs: 0, details: { pool: '3/10' }, error: undefined },
        },
      },
    })
    database.error = new Error('refused')
    await vi.advanceTimersByTimeAsync(10_000)
    const { status, checks } = reporter.report()
    expect(status).toBe('healthy')
    // The time of the last check, beside that of the status.
    expect(checks['database']).toMatchObject({
      status: 'healthy',
      since: checkedAt,
      lastRun: { checkedAt: checkedAt + 10_000, error: { message: 'the database check: refused' } },
    })
  })

  test.each<[OwnHealthCheck['kind'], object]>([
    ['readiness', { status: 'unhealthy', isLive: true, isReady: false }],
    ['liveness', { status: 'unhealthy', isLive: false, isReady: false }],
    ['informational', { status: 'healthy', isLive: true, isReady: true }],
  ])('of a failed %s check', async (kind, expected) => {
    const failing = createSwitch('cache', kind)
    failing.error = new Error('down')
    const reporter = report({ checks: [createSwitch('database').entry, failing.entry] })
    await vi.advanceTimersByTimeAsync(2_500)
    expect(reporter.report()).toMatchObject({
      ...expected,
      checks: { cache: { status: 'unhealthy' }, database: { status: 'healthy' } },
    })
  })

  test('is draining while a registration is, and not ready once one has ended', async () => {
    const { registration } = await register()
    const reporter = report({ checks: [createSwitch('database').entry], registrations: [registration] })
    await vi.advanceTimersByTimeAsync(500)
    expect(reporter.report().isReady).toBe(true)
    await registration.update({ health: 'draining' })
    expect(reporter.report()).toMatchObject({ status: 'draining', isReady: false, isLive: true })
    await registration.update({ health: 'healthy' })
    await registration.deregister()
    expect(reporter.report()).toMatchObject({ status: 'healthy', isReady: false })
  })
})

describe('a registration', () => {
  test('is updated when a status changes, but not by every run', async () => {
    const { registry, registration, update } = await register()
    const database = createSwitch('database')
    const cache = createSwitch('cache', 'informational')
    cache.details = { keys: '7' }
    report({ checks: [database.entry, cache.entry], registrations: [registration] })
    await vi.advanceTimersByTimeAsync(30_000)
    expect(update.mock.calls.length).toBeLessThanOrEqual(2)
    expect(registration.instance.health).toMatchObject({
      status: 'healthy',
      details: { database: 'healthy', cache: 'healthy', 'cache.keys': '7' },
    })
    update.mockClear()
    database.error = new Error('postgres://admin:secret@db refused')
    cache.details = { keys: '8' }
    await vi.advanceTimersByTimeAsync(60_000)
    expect(update).toHaveBeenCalledTimes(1)
    const [instance] = (await registry.getInstances('orders')).instances
    expect(instance?.health).toMatchObject({
      status: 'unhealthy',
      message: 'failed: database',
      details: { database: 'unhealthy', cache: 'healthy', 'cache.keys': '8' },
    })
    expect(JSON.stringify(instance)).not.toContain('secret')

    database.error = undefined
    await vi.advanceTimersByTimeAsync(20_000)
    expect(update).toHaveBeenCalledTimes(2)
    expect(registration.instance.health).toMatchObject({ status: 'healthy' })
    expect(registration.instance.health.message).toBeUndefined()
  })

  test('keeps its health until all statuses are known', async () => {
    const { registration, update } = await register()
    const slow: HealthCheck = { name: 'slow', run: () => new Promise((resolve) => setTimeout(() => resolve(undefined), 900)) }
    report({ checks: [createSwitch('database').entry, { check: slow }], registrations: [registration] })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(update).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(registration.instance.health.status).toBe('healthy')
  })

  test('is not updated while it drains, and is updated again afterwards', async () => {
    const { registration } = await register()
    const database = createSwitch('database')
    report({ checks: [database.entry], registrations: [registration] })
    await vi.advanceTimersByTimeAsync(500)
    await registration.update({ health: 'draining' })
    database.error = new Error('down')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(registration.instance.health.status).toBe('draining')
    await registration.update({ health: 'healthy' })
    await vi.advanceTimersByTimeAsync(11_000)
    expect(registration.instance.health.status).toBe('unhealthy')
  })

  test('is not updated after it has ended', async () => {
    const { registration, update } = await register()
    await registration.deregister()
    const onError = vi.fn()
    report({ checks: [createSwitch('database').entry], registrations: [registration], onError })
    await vi.advanceTimersByTimeAsync(20_000)
    expect(update).not.toHaveBeenCalled()
    expect(onError).not.toHaveBeenCalled()
  })

  test('that cannot be updated is reported, and the others are updated', async () => {
    const [unreachable, other] = [await register(), await register()]
    unreachable.registry.setConnected(false)
    const onError = vi.fn()
    report({ checks: [createSwitch('database').entry], registrations: [unreachable.registration, other.registration], onError })
    await vi.advanceTimersByTimeAsync(3_000)
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'SD_UNAVAILABLE' }))
    expect(other.registration.instance.health.status).toBe('healthy')
    unreachable.registry.setConnected(true)
    await vi.advanceTimersByTimeAsync(30_000)
    const [instance] = (await unreachable.registry.getInstances('orders')).instances
    expect(instance?.health.status).toBe('healthy')
  })

  test('has one update at a time, followed by the latest health', async () => {
    const { registration, update } = await register()
    const first = Promise.withResolvers<void>()
    update.mockReturnValueOnce(first.promise)
    const database = createSwitch('database')
    report({ checks: [database.entry], registrations: [registration] })
    await vi.advanceTimersByTimeAsync(500)
    database.error = new Error('down')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(update).toHaveBeenCalledTimes(1)
    first.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(update).toHaveBeenCalledTimes(2)
    expect(registration.instance.health.status).toBe('unhealthy')
  })

  test('is not updated after close', async () => {
    const { registration, update } = await register()
    const reporter = report({ checks: [createSwitch('database').entry], registrations: [registration] })
    reporter.close()
    reporter[Symbol.dispose]()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(update).not.toHaveBeenCalled()
  })
})

test('a check gets its own target, otherwise the first registration, otherwise the process', async () => {
  const { registration } = await register()
  const targets: HealthTarget[] = []
  const check = (name: string): HealthCheck => ({ name, run: async (target) => void targets.push(target) })
  const target = { address: 'db.internal', port: 5_432, protocol: 'postgres' }
  report({ checks: [{ check: check('own') }, { check: check('database'), target }], registrations: [registration] })
  report({ checks: [{ check: check('disk') }] })
  await vi.advanceTimersByTimeAsync(500)
  expect(targets).toMatchObject([
    { service: 'orders', id: '127.0.0.1:80' },
    { service: 'database', id: 'db.internal:5432', ...target },
    { service: 'self', address: 'localhost', port: 0 },
  ])
})

const { entry } = createSwitch('database')
test.each([
  ['checks', { checks: [] }],
  ['checks[0]', { checks: [1] }],
  ['checks[0].check', { checks: [{}] }],
  ['checks[0].kind', { checks: [{ ...entry, kind: 'critical' }] }],
  ['checks[0].critical', { checks: [{ ...entry, critical: true }] }],
  ['checks[1].check.name', { checks: [entry, entry] }],
  ['checks[0].check.name', { checks: [{ check: createTcpCheck({ name: 'sd.tcp' }) }] }],
  ['port', { checks: [{ ...entry, target: { address: 'db', port: 0 } }] }],
  ['registrations', { checks: [entry], registrations: {} }],
  ['registrations[0].update', { checks: [entry], registrations: [{}] }],
  ['onError', { checks: [entry], onError: 1 }],
  ['intervalMs', { checks: [entry], intervalMs: 0 }],
  ['registration', { checks: [entry], registration: 1 }],
])('a bad %s is refused', (field, options) => {
  expect(() => createHealthReporter(options as unknown as HealthReporterOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})
