import { describe, expect, test, vi } from 'vitest'
import { hasTelemetrySubscribers, publishTelemetry, subscribeTelemetry } from './telemetry.ts'

describe('telemetry', () => {
  test('reaches subscribers; one that throws does not affect others', () => {
    const received = vi.fn()
    const failures = vi.fn()
    const stops = [
      subscribeTelemetry(
        'sd:v1:backend:state',
        () => {
          throw new Error('broken')
        },
        failures,
      ),
      subscribeTelemetry('sd:v1:backend:state', () => {
        throw new Error('ignored')
      }),
      subscribeTelemetry('sd:v1:backend:state', received),
    ]
    expect(hasTelemetrySubscribers('sd:v1:backend:state')).toBe(true)
    publishTelemetry('sd:v1:backend:state', { backend: 'r', state: 'connected' })
    for (const stop of stops) stop()
    publishTelemetry('sd:v1:backend:state', { backend: 'r', state: 'closed' })
    expect(received.mock.calls).toEqual([[{ backend: 'r', state: 'connected' }]])
    expect(failures).toHaveBeenCalledOnce()
    expect(hasTelemetrySubscribers('sd:v1:backend:state')).toBe(false)
  })

  test('works across copies of the package', async () => {
    const copy = (await import(`./telemetry.ts?copy=${'2'}`)) as typeof import('./telemetry.ts')
    const received = vi.fn()
    const stop = subscribeTelemetry('sd:v1:backend:state', received)
    copy.publishTelemetry('sd:v1:backend:state', { backend: 'r', state: 'connected' })
    stop()
    expect(received).toHaveBeenCalledOnce()
  })
})
