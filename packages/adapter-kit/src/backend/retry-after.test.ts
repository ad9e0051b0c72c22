import { createServiceInstance, createWatchHub, SdError, untilAborted } from '@sd/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { assembleLock } from '../lock/assemble-lock.ts'
import { watchHeldLock } from '../lock/lock-session.ts'
import { createRegistrationKeeper } from '../registry/registration-keeper.ts'

// Automatic retries wait at least as long as the other side asked for.

const busy = new SdError('SD_UNAVAILABLE', 'busy', { retryAfterMs: 20_000 })
const backoff = { baseMs: 100, maxMs: 400 }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Fails twice, and records when it was called. */
function refuseTwice(): { readonly calls: number[]; attempt(): Promise<void> } {
  const calls: number[] = []
  return {
    calls,
    async attempt() {
      calls.push(performance.now())
      if (calls.length <= 2) throw busy
    },
  }
}

async function pausesOf(calls: readonly number[]): Promise<readonly number[]> {
  await vi.advanceTimersByTimeAsync(60_000)
  return calls.slice(0, 3).flatMap((at, index) => (index === 0 ? [] : [at - (calls[index - 1] as number)]))
}

test('a registration that waits for its first success, and one that recovers', async () => {
  for (const whenUnavailable of ['reject', 'recover'] as const) {
    const { calls, attempt } = refuseTwice()
    const keeper = createRegistrationKeeper({
      registry: 'test',
      renewIntervalMs: () => 1_000_000,
      operationTimeoutMs: 500_000,
      backoff,
      driver: { put: attempt, renew: async () => 'renewed', remove: async () => undefined },
    })
    const instance = createServiceInstance({ service: 'orders', id: 'a', address: '10.0.0.1', port: 80 })
    const registered = keeper.register(instance, { whenUnavailable })
    expect(await pausesOf(calls)).toEqual([20_000, 20_000])
    expect((await registered).state).toBe('active')
    await keeper.close()
  }
})

test('a lock that is waited for, and one that is held', async () => {
  const waiting = refuseTwice()
  const lock = assembleLock({
    name: 'test',
    take: async () => {
      await waiting.attempt()
      return { token: 1n, lost: new AbortController().signal, release: async () => undefined }
    },
    read: async () => undefined,
    follow: async (_, { signal }) => untilAborted(signal),
    close: async () => undefined,
    operationTimeoutMs: 1_000,
    backoff,
  })
  const acquired = lock.acquire('a')
  expect(await pausesOf(waiting.calls)).toEqual([20_000, 20_000])
  await (await acquired).release()
  await lock.close()

  const held = refuseTwice()
  const { end } = watchHeldLock({
    session: new AbortController().signal,
    follow: async (signal) => {
      await held.attempt()
      await untilAborted(signal)
    },
  })
  expect(await pausesOf(held.calls)).toEqual([20_000, 20_000])
  end()
})

test('a watch', async () => {
  const { calls, attempt } = refuseTwice()
  const hub = createWatchHub<number>({
    name: 'test',
    backoff,
    session: async (_, { signal, offer }) => {
      await attempt()
      offer(1)
      await untilAborted(signal)
    },
  })
  const controller = new AbortController()
  const following = (async () => {
    for await (const step of hub.watch('a', { signal: controller.signal })) void step
  })()
  expect(await pausesOf(calls)).toEqual([20_000, 20_000])
  controller.abort()
  await following
  await hub.close()
})
