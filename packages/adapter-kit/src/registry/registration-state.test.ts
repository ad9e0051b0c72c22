import { createServiceInstance, type Registration, type RegistrationState, SdError, subscribeTelemetry } from '@sd/core'
import { expect, test, vi } from 'vitest'
import { createRegistrationState } from './registration-state.ts'

const registration = {
  instance: createServiceInstance({ service: 'orders', id: 'a', address: '10.0.0.1', port: 80 }),
} as Registration
const failure = new SdError('SD_UNAVAILABLE', 'unreachable')

test('a change is reported once, to telemetry and later to listeners, and nothing follows the end', async () => {
  const events: unknown[] = []
  const unsubscribe = subscribeTelemetry('sd:v1:registration:state', (event) => events.push(event))
  const state = createRegistrationState({ registry: 'etcd', registration })
  const states: RegistrationState[] = []
  const stop = state.onChange((received) => {
    expect(received).toBe(registration)
    states.push(state.state)
  })
  expect(state.state).toBe('recovering')
  expect([state.set('recovering', failure), state.set('active'), state.set('active')]).toEqual([false, true, false])
  expect(state.lastError).toBeUndefined()
  expect(states).toEqual([])
  await Promise.resolve()
  expect(states).toEqual(['active'])
  stop()
  expect(state.set('failed', failure)).toBe(true)
  expect(state.lastError).toBe(failure)
  expect([state.set('closed'), state.set('active', failure)]).toEqual([true, false])
  expect(state).toMatchObject({ state: 'closed', lastError: undefined })
  await Promise.resolve()
  expect(states).toEqual(['active'])
  unsubscribe()
  const common = { registry: 'etcd', service: 'orders', instanceId: 'a' }
  expect(events).toEqual([
    { ...common, state: 'active', error: undefined },
    { ...common, state: 'failed', error: failure },
    { ...common, state: 'closed', error: undefined },
  ])
})

test('the first end removes the instance, and later ones wait for it', async () => {
  const state = createRegistrationState({ registry: 'etcd', registration })
  const removed = Promise.withResolvers<void>()
  const remove = vi.fn(() => removed.promise)
  const close = vi.fn(() => void state.set('closed'))
  const first = state.end({ close, remove, signal: undefined })
  const second = state.end({ close, remove, signal: AbortSignal.timeout(60_000), timeoutMs: 60_000 })
  const aborted = state.end({ close, remove, signal: AbortSignal.abort(new Error('enough')) })
  await expect(aborted).rejects.toMatchObject({ code: 'SD_ABORTED', message: expect.stringContaining('deregistering orders') })
  removed.reject(failure)
  await expect(first).rejects.toBe(failure)
  await expect(second).rejects.toBe(failure)
  expect([close.mock.calls.length, remove.mock.calls.length]).toEqual([1, 1])
})

test('a wait with a signal ends at its time limit, and the removal continues', async () => {
  vi.useFakeTimers()
  try {
    const state = createRegistrationState({ registry: 'etcd', registration })
    const removed = Promise.withResolvers<void>()
    const end = { close: () => undefined, remove: () => removed.promise }
    const waiting = state.end({ ...end, signal: new AbortController().signal, timeoutMs: 1_000 })
    const timedOut = expect(waiting).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await vi.advanceTimersByTimeAsync(1_000)
    await timedOut
    removed.resolve()
    await state.end({ ...end, signal: undefined })
  } finally {
    vi.useRealTimers()
  }
})

test('the end of a registration that was replaced removes nothing', async () => {
  const state = createRegistrationState({ registry: 'etcd', registration })
  state.set('closed')
  const remove = vi.fn(() => Promise.reject(failure))
  await state.end({ close: () => undefined, remove, signal: undefined })
  expect(remove).not.toHaveBeenCalled()
})
