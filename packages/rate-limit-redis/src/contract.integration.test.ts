import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createClient } from '@redis/client'
import { checkRateLimit, type RateLimitOptions, takeFromBucket, takeFromWindow } from '@sd/rate-limit-kit'
import { obtainServer, type RedisServer, startRedis } from '@sd/test-servers'
import { rateLimiterContract } from '@sd/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRedisRateLimiter, type RedisRateLimiterOptions } from './index.ts'
import { bucketBody, createScript, windowBody } from './scripts.ts'
import type { HammerResult, HammerTask } from './testing/hammer.ts'

const redis = await obtainServer('redis')

describe.runIf(redis)('on a real server', () => {
  let server: RedisServer
  beforeAll(async () => {
    if (redis) server = await startRedis(redis)
  })
  afterAll(() => server.close())

  /** Without a fallback, so that only Redis can keep the contract; with a timeout that a busy machine can meet. */
  function optionsFor(options: RateLimitOptions, prefix: string = randomUUID()): RedisRateLimiterOptions {
    const endpoint = `127.0.0.1:${server.port}`
    return { ...options, endpoint, prefix, whenUnavailable: 'closed', operationTimeoutMs: 10_000 }
  }

  describe('rate limiter contract', () => {
    const contract = rateLimiterContract({
      eventuallyMs: 10_000,
      setup: async () => ({
        open: async (options) => createRedisRateLimiter(optionsFor(options)),
        dispose: async () => undefined,
      }),
    })
    for (const { name, run } of contract) test(name, run)
  })

  test('every key expires', async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: server.port } })
    await client.connect()
    try {
      for (const algorithm of ['gcra', 'sliding-window'] as const) {
        const options = optionsFor({ algorithm, limit: 10, windowMs: 60_000 })
        await using limiter = createRedisRateLimiter(options)
        await limiter.acquire('looked at', { cost: 0 })
        const { resetMs } = await limiter.acquire('taken')
        const keys = await client.keys(`${options.prefix}:*`)
        expect(keys).toHaveLength(1)
        const lifetimeMs = await client.pTTL(keys[0] as string)
        expect(lifetimeMs).toBeGreaterThan(0)
        expect(lifetimeMs).toBeLessThanOrEqual(resetMs + 2)
      }
    } finally {
      client.destroy()
    }
  })

  describe('eight processes', () => {
    const processes = 8

    async function hammer(task: HammerTask): Promise<{ granted: readonly number[]; elapsedMs: number }> {
      const program = fileURLToPath(new URL('testing/hammer.ts', import.meta.url))
      const children = Array.from({ length: processes }, () => fork(program, [JSON.stringify(task)]))
      try {
        await Promise.all(children.map((child) => nextMessage(child)))
        const startedAt = performance.now()
        const results = children.map((child) => nextMessage(child) as Promise<HammerResult>)
        for (const child of children) child.send('go')
        const granted = (await Promise.all(results)).map((result) => result.granted)
        const elapsedMs = performance.now() - startedAt
        await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')))
        return { granted, elapsedMs }
      } finally {
        for (const child of children) child.kill('SIGKILL')
      }
    }
    async function nextMessage(child: ChildProcess): Promise<unknown> {
      const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the process ended with ${code}`)))
      ended.catch(() => undefined)
      return Promise.race([once(child, 'message').then(([message]) => message as unknown), ended])
    }
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

    test.each(['gcra', 'sliding-window'] as const)(
      '%s: get the limit together, to the unit',
      { timeout: 120_000 },
      async (algorithm) => {
        const options = optionsFor({ algorithm, limit: 1_000, windowMs: 24 * 3_600_000 })
        const { granted } = await hammer({ options, calls: 400, durationMs: 60_000 })
        expect(sum(granted)).toBe(1_000)
        expect(granted.filter((one) => one > 0).length).toBeGreaterThan(1)
      },
    )

    test('get the burst and the returning units, and no more', { timeout: 120_000 }, async () => {
      const options = optionsFor({ limit: 200, windowMs: 1_000, burst: 50 })
      const { granted, elapsedMs } = await hammer({ options, calls: 1_000_000, durationMs: 2_000 })
      expect(sum(granted)).toBeLessThanOrEqual(50 + elapsedMs * 0.2)
      // Only the upper bound is exact to the unit: a machine that is blocked takes fewer.
      expect(sum(granted)).toBeGreaterThan(200)
    })
  })

  describe('the scripts decide like @sd/rate-limit-kit', () => {
    const steps = fc.array(
      fc.record({ afterUs: fc.constantFrom(0, 1, 700, 50_000, 333_333, 5_000_000, -2_000_000), cost: fc.nat(12) }),
      {
        maxLength: 30,
      },
    )
    // Redis expires a key after its window in real time, whatever time the script uses: no window is shorter than a pause
    // of a busy machine.
    const rules = fc.record({ limit: fc.integer({ min: 1, max: 12 }), windowMs: fc.constantFrom(5_000, 20_000, 60_000) })
    const clock = 'local now = tonumber(ARGV[#ARGV])'

    type Evaluate = (values: readonly number[]) => Promise<readonly unknown[]>

    /** Runs a script with its clock as the last argument. Every history has its own key. */
    async function replay<Options>(
      body: string,
      property: (startHistory: () => Evaluate) => fc.IAsyncProperty<Options>,
    ): Promise<void> {
      const client = createClient({ socket: { host: '127.0.0.1', port: server.port }, RESP: 2 })
      await client.connect()
      const { text } = createScript(clock, body)
      const startHistory = (): Evaluate => {
        const key = randomUUID()
        return (values) => client.sendCommand(['EVAL', text, '1', key, ...values.map(String)])
      }
      try {
        await fc.assert(property(startHistory), { seed: 7, numRuns: 100 })
      } finally {
        client.destroy()
      }
    }

    test('bucket', { timeout: 60_000 }, () =>
      replay(bucketBody, (startHistory) =>
        fc.asyncProperty(rules, steps, async (options, history) => {
          const evaluate = startHistory()
          const rule = checkRateLimit(options)
          let state: Parameters<typeof takeFromBucket>[1]
          let now = 1_800_000_000_000_000
          for (const { afterUs, cost: wanted } of history) {
            now += afterUs
            const cost = Math.min(wanted, rule.burst)
            const outcome = takeFromBucket(rule, state, cost, now / 1000)
            // The script writes what was taken, and a clock that was set back. A refusal changes nothing.
            const isWritten = (outcome.decision.allowed && cost > 0) || (state && now / 1000 < state.at)
            if (isWritten) state = outcome.state
            const [allowed, level] = await evaluate([rule.limit, rule.windowMs * 1000, rule.burst, cost, now])
            expect(allowed).toBe(Number(outcome.decision.allowed))
            // The kit keeps epoch milliseconds, whose last bit is a quarter of a microsecond.
            expect(Number(level)).toBeCloseTo(outcome.state.level, 2)
          }
        }),
      ),
    )

    test('window', { timeout: 60_000 }, () =>
      replay(windowBody, (startHistory) =>
        fc.asyncProperty(rules, steps, async (options, history) => {
          const evaluate = startHistory()
          const rule = checkRateLimit({ ...options, algorithm: 'sliding-window' })
          let state: Parameters<typeof takeFromWindow>[1]
          let now = 1_800_000_000_000_000
          for (const { afterUs, cost: wanted } of history) {
            now += afterUs
            const cost = Math.min(wanted, rule.limit)
            const outcome = takeFromWindow(rule, state, cost, now / 1000)
            state = outcome.state
            const [allowed, time, segments] = await evaluate([rule.limit, rule.windowMs * 1000, cost, now])
            expect([allowed, time]).toEqual([Number(outcome.decision.allowed), String(now)])
            expect(segments).toBe(state.join(' '))
          }
        }),
      ),
    )
  })
})
