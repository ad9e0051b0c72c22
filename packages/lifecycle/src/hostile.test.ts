import { createHostileValues } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLifecycle, type LifecycleOptions } from './index.ts'

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

const seeds = Array.from({ length: 60 }, (_, index) => index + 1)

test.each(seeds)('a shutdown goes through all of its steps, whatever they do, seed %i', async (seed) => {
  const hostile = createHostileValues(seed)
  const done: string[] = []
  const end = (step: string, index: number = seed): unknown => {
    done.push(step)
    if (index % 3 === 0) throw hostile.next()
    if (index % 3 === 1) return Promise.reject(hostile.nextError())
    return hostile.next()
  }
  const registration = { deregister: () => end('deregister', seed + 1) }
  const lifecycle = createLifecycle({
    registrar: { register: () => (seed % 2 === 0 ? Promise.resolve(registration) : registration) } as never,
    server: {
      whenListening: async () => 80,
      beginDrain: () => end('begin', seed + 2) as undefined,
      finishDrain: () => Promise.resolve(end('drain')) as Promise<void>,
      remaining() {
        throw hostile.next()
      },
      destroy: () => end('destroy', seed + 1) as Promise<void>,
    },
    instance: { service: 'orders', address: '127.0.0.1' },
    signals: [],
    beforeDrain: [() => end('before'), () => end('before 2', seed + 1)],
    onShutdown: [() => end('after'), () => end('after 2', seed + 2)],
    health: {
      report: () => end('report') as never,
      addRegistration: () => end('add', seed + 1) as undefined,
    },
    onError: () => end('onError') as never,
  } satisfies LifecycleOptions)
  await lifecycle.start()
  expect(lifecycle.state).toBe('ready')
  for (const path of ['/health/live', '/health/ready']) {
    const answer = lifecycle.health(path)
    expect([200, 503]).toContain(answer?.status)
    expect(JSON.parse(answer?.body ?? '')).toHaveProperty('status')
  }
  const closing = lifecycle.close()
  await vi.advanceTimersByTimeAsync(120_000)
  const report = await closing
  expect(lifecycle.state).toBe('stopped')
  for (const step of ['begin', 'deregister', 'before', 'before 2', 'drain', 'after', 'after 2']) expect(done).toContain(step)
  for (const error of report.errors) expect(error.code).toMatch(/^SD_/)
})

test('a failing health source is not ready, but live, and is reported', async () => {
  const errors: string[] = []
  const lifecycle = createLifecycle({
    registrar: { register: async () => ({ deregister: async () => undefined }) } as never,
    server: { whenListening: async () => 80, finishDrain: async () => undefined, destroy: () => undefined },
    instance: { service: 'orders', address: '127.0.0.1' },
    signals: [],
    propagationDelayMs: 0,
    health: {
      report() {
        throw new Error('the check of the checks')
      },
    },
    onError: ({ message }) => errors.push(message),
  })
  await lifecycle.start()
  expect(lifecycle.health('/health/live')).toMatchObject({ status: 200, body: '{"status":"ok"}' })
  expect(lifecycle.health('/health/ready')).toMatchObject({ status: 503, body: '{"status":"health unknown"}' })
  expect(errors).toEqual(Array(2).fill('health.report: the check of the checks'))
  const closing = lifecycle.close()
  await vi.advanceTimersByTimeAsync(10_000)
  await closing
})
