import { SdError } from '@sd/core'
import { createHostileValues, createSeededRandom } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type AlertNotification, type AlertRule, createAlerts } from './index.ts'

const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)
beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  process.on('unhandledRejection', onRejection)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  process.off('unhandledRejection', onRejection)
  expect(rejections).toHaveLength(0)
})

const pass = (durationMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(durationMs)
const rules: readonly AlertRule[] = [
  { name: 'errors', metric: 'errors', condition: '>', threshold: 5, groupBy: ['service'] },
  { name: 'rate', metric: 'errors', condition: '>', threshold: 1e9, aggregate: { kind: 'rate', windowMs: 60_000 } },
]

test('with arbitrary samples and errors of a source, alerts on readable samples fire and end', async () => {
  const hostile = createHostileValues(13)
  const random = createSeededRandom(13)
  const sent: AlertNotification[] = []
  const errors: SdError[] = []
  let value = 9
  const good = () => ({ name: 'errors', labels: { service: 'a' }, value })
  const alerts = createAlerts({
    source: (): never => {
      const roll = random()
      if (roll < 0.15) throw hostile.next()
      if (roll < 0.3) return Promise.reject(hostile.nextError()) as never
      // A source without samples ends alerts, as intended.
      if (roll < 0.4) return 7 as never
      const labels = hostile.nextObject()
      const odd = { name: 'errors', labels, value: hostile.next() }
      return [hostile.next(), good(), odd, { name: 'errors', labels, value: 1 }, hostile.next()] as never
    },
    rules,
    channels: [
      {
        name: 'team',
        async send(notification) {
          if (random() < 0.5) throw hostile.nextError()
          sent.push(notification)
        },
      },
    ],
    intervalMs: 1_000,
    onError(error) {
      errors.push(error)
      throw hostile.next()
    },
  })
  alerts.onChange(() => {
    throw hostile.next()
  })
  await pass(300_000)
  const states = (): readonly string[] =>
    sent.flatMap(({ alerts: received }) => received.flatMap((alert) => (alert.labels['service'] === 'a' ? [alert.state] : [])))
  expect(states()).toEqual(['firing'])
  value = 0
  await pass(600_000)
  expect(states()).toEqual(['firing', 'resolved'])
  expect(errors.every((error) => error instanceof SdError)).toBe(true)
  expect(errors.some(({ code, message }) => code === 'SD_MALFORMED' && message.includes('were ignored'))).toBe(true)
  // Pending alerts are retried for a while.
  const closed = alerts.close()
  await pass(30_000)
  await closed
})
