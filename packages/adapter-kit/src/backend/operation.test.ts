import { subscribeTelemetry } from '@sd/core'
import { expect, test } from 'vitest'
import { observeOperation } from './operation.ts'

test('publishes operations with their duration and error', async () => {
  const events: unknown[] = []
  const stop = subscribeTelemetry('sd:v1:backend:operation', (event) => events.push(event))
  const what = { backend: 'r', operation: 'ping' }
  expect(await observeOperation(what, () => 1)).toBe(1)
  await expect(
    observeOperation(what, async () => {
      throw new Error('boom')
    }),
  ).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: 'r ping: boom' })
  stop()
  expect(events).toEqual([
    { ...what, durationMs: expect.any(Number) },
    { ...what, durationMs: expect.any(Number), error: expect.objectContaining({ code: 'SD_UNAVAILABLE' }) },
  ])
  expect(await observeOperation(what, () => 2)).toBe(2)
})
