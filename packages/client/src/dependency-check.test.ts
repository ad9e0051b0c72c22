import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createDependencyCheck, createHealthHandler, createHealthReporter } from '@sd/health'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createWorld, type World } from './testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

test('the caller reports a called service in its health, and stays ready without it', async () => {
  const client = world.client({ breaker: ({ name }) => createOpossumBreaker({ name }) })
  const fast = { intervalMs: 20, fall: 2, rise: 1 }
  using reporter = createHealthReporter({
    ...fast,
    checks: [
      createDependencyCheck({ client, service: 'orders' }),
      createDependencyCheck({ client, service: 'orders', kind: 'readiness', name: 'vital' }),
    ],
  })
  const { health } = createHealthHandler(reporter)
  const informational = () => reporter.report().checks['calls orders']
  await eventually(
    () => expect(informational()).toMatchObject({ status: 'unhealthy', lastRun: { error: { code: 'SD_NO_INSTANCE' } } }),
    10_000,
  )
  expect(JSON.parse(health('/health')?.body ?? '')).toMatchObject({ checks: { 'calls orders': 'unhealthy' } })

  await world.serve((_, response) => void response.end())
  await eventually(
    () => expect(informational()).toMatchObject({ status: 'healthy', lastRun: { details: { usable: '1' } } }),
    10_000,
  )
  await eventually(() => expect(reporter.report().isReady).toBe(true), 10_000)

  client.breaker('orders')?.isolate()
  await eventually(
    () => expect(informational()).toMatchObject({ status: 'unhealthy', lastRun: { error: { code: 'SD_REJECTED' } } }),
    10_000,
  )
  // Only the check that is configured to.
  await eventually(() => expect(reporter.report().isReady).toBe(false), 10_000)
  expect(reporter.report().isLive).toBe(true)
})

test('by itself it never makes the caller unready', async () => {
  const client = world.client()
  const own = { name: 'own', run: async () => undefined }
  using reporter = createHealthReporter({
    intervalMs: 20,
    fall: 2,
    checks: [{ check: own }, createDependencyCheck({ client, service: 'orders' })],
  })
  await eventually(() => expect(reporter.report().checks['calls orders']?.status).toBe('unhealthy'), 10_000)
  expect(reporter.report()).toMatchObject({ status: 'healthy', isReady: true, isLive: true })
})
