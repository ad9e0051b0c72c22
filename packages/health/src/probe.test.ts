import { createSemaphore, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { startProbe } from './probe.ts'
import { resolveProbeOptions } from './probe-options.ts'
import { localTarget } from './testing/targets.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('every run is published with its time, and with the status and its start', async () => {
  const events: TelemetryEvents['sd:v1:health:check'][] = []
  onTestFinished(subscribeTelemetry('sd:v1:health:check', (event) => void events.push(event)))
  const startedAt = Date.now()
  let isHealthy = true
  const stop = startProbe({
    check: { name: 'database', run: () => (isHealthy ? Promise.resolve(undefined) : Promise.reject(new Error('down'))) },
    target: () => localTarget(80),
    settings: resolveProbeOptions({ random: () => 0.5, fall: 2 }),
    places: createSemaphore(1),
    onResult: () => undefined,
  })
  onTestFinished(stop)
  await vi.advanceTimersByTimeAsync(500)
  isHealthy = false
  await vi.advanceTimersByTimeAsync(12_000)
  const what = { check: 'database', service: 'orders', instanceId: 'orders-1', durationMs: 0 }
  const error = expect.objectContaining({ code: 'SD_UNAVAILABLE' })
  await vi.advanceTimersByTimeAsync(10_000)
  const seen = events.map(({ checkedAt, since, ...event }) => ({
    ...event,
    checkedAfterMs: checkedAt - startedAt,
    sinceAfterMs: since - startedAt,
  }))
  expect(seen).toEqual([
    { ...what, status: 'healthy', checkedAfterMs: 500, sinceAfterMs: 500, error: undefined },
    { ...what, status: 'healthy', checkedAfterMs: 10_500, sinceAfterMs: 500, error },
    { ...what, status: 'unhealthy', checkedAfterMs: 11_500, sinceAfterMs: 11_500, error },
    { ...what, status: 'unhealthy', checkedAfterMs: 21_500, sinceAfterMs: 11_500, error },
  ])
})
