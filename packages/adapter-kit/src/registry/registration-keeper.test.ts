import {
  collectStates,
  createServiceInstance,
  type InstanceSpec,
  type Registration,
  SdError,
  type ServiceInstance,
  subscribeTelemetry,
  type TelemetryEvents,
} from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RenewResult } from './registration-driver.ts'
import { createRegistrationKeeper, type RegistrationKeeper } from './registration-keeper.ts'

const unreachable = new SdError('SD_UNAVAILABLE', 'unreachable')
const denied = new SdError('SD_DENIED', 'denied')

let keeper: RegistrationKeeper
let calls: string[]
let stored: Map<string, ServiceInstance>
let failure: SdError | undefined
let hangs: boolean
let renewResult: RenewResult
let contacts: (string | undefined)[]

function respond<T>(call: string, run: () => T): Promise<T> {
  calls.push(call)
  if (hangs) return new Promise(() => undefined)
  return failure ? Promise.reject(failure) : Promise.resolve(run())
}

beforeEach(() => {
  vi.useFakeTimers()
  calls = []
  stored = new Map()
  failure = undefined
  hangs = false
  renewResult = 'renewed'
  contacts = []
  keeper = createRegistrationKeeper({
    registry: 'test',
    renewIntervalMs: () => 1_000,
    operationTimeoutMs: 500,
    backoff: { baseMs: 100, maxMs: 400 },
    onContact: (error) => contacts.push(error?.code),
    driver: {
      put: (instance) => respond(`put ${instance.weight}`, () => stored.set(instance.id, instance)).then(() => undefined),
      renew: () => respond('renew', () => renewResult),
      remove: (instance) => respond('remove', () => stored.delete(instance.id)).then(() => undefined),
    },
  })
})
afterEach(async () => {
  hangs = false
  failure = undefined
  const closing = keeper.close()
  await vi.advanceTimersByTimeAsync(2_000)
  await closing
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

function instance(spec: Partial<InstanceSpec> = {}): ServiceInstance {
  return createServiceInstance({ service: 'orders', id: 'a', address: '10.0.0.1', port: 80, ...spec })
}

function register(spec?: Partial<InstanceSpec>, options?: Parameters<RegistrationKeeper['register']>[1]): Promise<Registration> {
  return keeper.register(instance(spec), options)
}

describe('a registration', () => {
  test('is registered, renewed repeatedly, and removed', async () => {
    const registration = await register()
    expect([registration.state, calls]).toEqual(['active', ['put 1']])
    await vi.advanceTimersByTimeAsync(3_500)
    expect(calls.filter((call) => call === 'renew')).toHaveLength(3)
    await Promise.all([registration.deregister(), registration.deregister()])
    await registration[Symbol.asyncDispose]()
    expect([registration.state, stored.size, calls.filter((call) => call === 'remove').length]).toEqual(['closed', 0, 1])
    await vi.advanceTimersByTimeAsync(3_000)
    expect(calls.at(-1)).toBe('remove')
  })

  test('is registered again after a loss', async () => {
    const registration = await register()
    renewResult = 'lost'
    const states: string[] = []
    registration.onStateChange(({ state, lastError }) => states.push(`${state} ${lastError?.message ?? ''}`))
    await vi.advanceTimersByTimeAsync(1_100)
    expect(calls).toEqual(['put 1', 'renew', 'put 1'])
    expect(registration.state).toBe('active')
    expect(states).toHaveLength(2)
  })

  test('recovers after an outage, and has the error in the meantime', async () => {
    const registration = await register()
    failure = unreachable
    await vi.advanceTimersByTimeAsync(1_100)
    expect([registration.state, registration.lastError]).toEqual(['recovering', unreachable])
    await vi.advanceTimersByTimeAsync(1_000)
    const attempts = calls.length
    expect(attempts).toBeGreaterThan(3)
    failure = undefined
    await vi.advanceTimersByTimeAsync(400)
    expect([registration.state, registration.lastError, calls.length]).toEqual(['active', undefined, attempts + 1])
  })

  test('treats a hanging operation as failed at its limit', async () => {
    const registration = await register()
    hangs = true
    await vi.advanceTimersByTimeAsync(1_700)
    expect(registration).toMatchObject({ state: 'recovering', lastError: { code: 'SD_TIMEOUT' } })
  })

  test('is failed while the backend refuses, and keeps trying, because credentials can change', async () => {
    const registration = await register()
    failure = denied
    await vi.advanceTimersByTimeAsync(1_100)
    expect(registration).toMatchObject({ state: 'failed', lastError: denied })
    failure = undefined
    await vi.advanceTimersByTimeAsync(400)
    expect(registration.state).toBe('active')
  })

  test('ends when another process registered the id', async () => {
    const registration = await register()
    renewResult = 'superseded'
    await vi.advanceTimersByTimeAsync(5_000)
    expect(registration).toMatchObject({ state: 'failed', lastError: { code: 'SD_CONFLICT' } })
    expect(calls).toEqual(['put 1', 'renew'])
    await expect(registration.update({ weight: 2 })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
  })

  test('does not call a removed listener', async () => {
    const registration = await register()
    const listener = vi.fn()
    registration.onStateChange(listener)()
    await registration.deregister()
    expect(listener).not.toHaveBeenCalled()
  })
})

describe('register', () => {
  test('keeps trying while the backend is unreachable, then rejects with its error and removes what may have arrived', async () => {
    failure = unreachable
    const registering = register({}, { timeoutMs: 1_000 })
    const caught = expect(registering).rejects.toBe(unreachable)
    await vi.advanceTimersByTimeAsync(1_000)
    await caught
    expect(calls.length).toBeGreaterThan(3)
    expect(calls.at(-1)).toBe('remove')
    const { length } = calls
    await vi.advanceTimersByTimeAsync(5_000)
    expect(calls).toHaveLength(length)
  })

  test('succeeds when the backend is reachable again in time', async () => {
    failure = unreachable
    const registering = register({}, { timeoutMs: 2_000 })
    await vi.advanceTimersByTimeAsync(300)
    failure = undefined
    await vi.advanceTimersByTimeAsync(500)
    expect((await registering).state).toBe('active')
  })

  test('takes at most one operation by default, as do update and deregister', async () => {
    failure = unreachable
    const rejected = expect(register()).rejects.toBe(unreachable)
    await vi.advanceTimersByTimeAsync(500)
    await rejected
    failure = undefined
    const registration = await register()
    hangs = true
    const late = { code: 'SD_TIMEOUT' }
    const updated = Promise.all([2, 3].map((weight) => expect(registration.update({ weight })).rejects.toMatchObject(late)))
    await vi.advanceTimersByTimeAsync(500)
    await updated
    const deregistered = expect(registration.deregister()).rejects.toMatchObject(late)
    await vi.advanceTimersByTimeAsync(500)
    await deregistered
  })

  test('rejects at once with an error that is not retryable, and when aborted', async () => {
    failure = denied
    await expect(register()).rejects.toBe(denied)
    failure = unreachable
    const controller = new AbortController()
    const aborted = register({}, { signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'SD_ABORTED' })
    await expect(register({}, { timeoutMs: 0 })).rejects.toMatchObject({ field: 'timeoutMs' })
    await expect(register({}, { whenUnavailable: 'wait' as never })).rejects.toMatchObject({ field: 'whenUnavailable' })
  })

  test('returns at once with whenUnavailable recover', async () => {
    failure = unreachable
    const registration = await register({}, { whenUnavailable: 'recover' })
    expect(registration.state).toBe('recovering')
    failure = undefined
    await vi.advanceTimersByTimeAsync(200)
    expect(registration.state).toBe('active')
  })

  test('with the same id replaces the previous one, sequentially or concurrently', async () => {
    const first = await register({ weight: 1 })
    const [second, third] = await Promise.all([register({ weight: 2 }), register({ weight: 3 })])
    expect([first.state, second.state, third.state]).toEqual(['closed', 'closed', 'active'])
    expect(stored.get('a')?.weight).toBe(3)
    await first.deregister()
    await second.deregister()
    expect(stored.size).toBe(1)
    await expect(first.update({ weight: 9 })).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })
})

describe('update', () => {
  test('changes the backend, in the order of the calls', async () => {
    const registration = await register()
    await Promise.all([
      registration.update({ weight: 2 }),
      registration.update({ tags: ['x'] }),
      registration.update({ weight: 4 }),
    ])
    expect(calls).toEqual(['put 1', 'put 2', 'put 2', 'put 4'])
    expect(stored.get('a')).toMatchObject({ weight: 4, tags: ['x'] })
  })

  test('that the backend refuses changes nothing; a retryable one is kept', async () => {
    const registration = await register()
    failure = new SdError('SD_TOO_LARGE', 'too large')
    await expect(registration.update({ weight: 5 })).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    expect(registration.instance.weight).toBe(1)
    failure = unreachable
    await expect(registration.update({ weight: 6 })).rejects.toBe(unreachable)
    failure = undefined
    await vi.advanceTimersByTimeAsync(500)
    expect([stored.get('a')?.weight, registration.state]).toEqual([6, 'active'])
    await expect(registration.update({ weight: -1 })).rejects.toMatchObject({ code: 'SD_INVALID' })
    expect(registration.instance.weight).toBe(6)
  })
})

describe('the keeper', () => {
  test('registers all again when the adapter reports a loss, spread by jitter', async () => {
    const registrations = await Promise.all(Array.from({ length: 20 }, (_, index) => register({ id: `i-${index}` })))
    calls = []
    keeper.recover(unreachable)
    expect(registrations.every(({ state }) => state === 'recovering')).toBe(true)
    await vi.advanceTimersByTimeAsync(40)
    expect(calls).toEqual([])
    await vi.advanceTimersByTimeAsync(60)
    expect(calls).toHaveLength(20)
    expect(registrations.every(({ state }) => state === 'active')).toBe(true)
  })

  test('reports the result of each contact', async () => {
    const registration = await register()
    failure = unreachable
    await vi.advanceTimersByTimeAsync(1_100)
    failure = undefined
    hangs = true
    await vi.advanceTimersByTimeAsync(600)
    hangs = false
    await vi.advanceTimersByTimeAsync(400)
    await registration.deregister()
    // Jitter determines how often each occurs in a row.
    const turns = contacts.filter((code, index) => index === 0 || code !== contacts[index - 1])
    expect(turns).toEqual([undefined, 'SD_UNAVAILABLE', 'SD_TIMEOUT', undefined])
  })

  test('closes in bounded time while the backend hangs, and rejects later calls', async () => {
    const registration = await register()
    hangs = true
    const closing = Promise.all([keeper.close(), keeper.close()])
    await vi.advanceTimersByTimeAsync(500)
    await closing
    expect(registration.state).toBe('closed')
    await expect(register()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('aborts the wait for a deregistration', async () => {
    const registration = await register()
    hangs = true
    await expect(registration.deregister({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'SD_ABORTED' })
  })

  test('publishes every change of state', async () => {
    const events: TelemetryEvents['sd:v1:registration:state'][] = []
    const stop = subscribeTelemetry('sd:v1:registration:state', (event) => events.push(event))
    const registration = await register()
    await registration.deregister()
    stop()
    expect(events.map(({ service, instanceId, state }) => [service, instanceId, state])).toEqual([
      ['orders', 'a', 'active'],
      ['orders', 'a', 'closed'],
    ])
  })
})

test('reports the state of every registration until it is closed', async () => {
  const kept = keeper.register(instance())
  await vi.advanceTimersByTimeAsync(10)
  await kept
  const report = { kind: 'registration', registry: 'test', service: 'orders', instanceId: 'a' }
  expect(collectStates()).toEqual([{ ...report, state: 'active', since: expect.any(Number) }])
  failure = unreachable
  await vi.advanceTimersByTimeAsync(1_200)
  expect(collectStates()).toEqual([
    { ...report, state: 'recovering', since: expect.any(Number), lastError: expect.objectContaining({ code: 'SD_UNAVAILABLE' }) },
  ])
  const closing = keeper.close()
  await vi.advanceTimersByTimeAsync(2_000)
  await closing
  expect(collectStates()).toEqual([])
})
