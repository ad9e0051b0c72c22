import assert from 'node:assert/strict'
import { assertState, type BreakerContext } from './breaker-context.ts'
import type { CaseBody } from './contract.ts'

const fails = (): Promise<never> => Promise.reject(new Error('failed'))

/** Marks a rejection as handled, for a promise that is awaited later or not at all if the case fails first. */
function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

/** Returns the result of a call that must not fail. */
async function answerOf<T>(call: Promise<T>): Promise<T> {
  await assert.doesNotReject(call)
  return call
}

/** Cases of the breaker contract about `execute`. */
export const executeCases: Readonly<Record<string, CaseBody<BreakerContext>>> = {
  'execute returns, throws and records the outcome': async ({ create }) => {
    const breaker = create({ name: 'orders', window: { kind: 'count', size: 4 } })
    assert.equal(await breaker.execute(() => 1), 1)
    assert.equal(await breaker.execute(async () => 2), 2)
    await assert.rejects(breaker.execute(fails), { message: 'failed' })
    const thrower = (): never => {
      throw new Error('thrown synchronously')
    }
    await assert.rejects(breaker.execute(thrower), { message: 'thrown synchronously' })
    assertState(breaker, 'open')
    let called = false
    const refused = breaker.execute(() => {
      called = true
    })
    await assert.rejects(refused, { code: 'SD_REJECTED', retryable: true })
    assert.equal(called, false)
  },

  'work receives a signal, however it declares its parameters': async ({ create }) => {
    const breaker = create({})
    const isFiring = (signal?: AbortSignal): boolean | undefined => signal?.aborted
    assert.equal(await breaker.execute((signal) => isFiring(signal)), false)
    assert.equal(await breaker.execute((...[signal]: readonly AbortSignal[]) => isFiring(signal)), false)
  },

  'a call that takes too long fails, and its signal aborts': async ({ create, advance }) => {
    const breaker = create({ window: { kind: 'count', size: 1 }, timeoutMs: 100, openMs: 120_000 })
    let own: AbortSignal | undefined
    const endless = breaker.execute((signal) => {
      own = signal
      return new Promise((resolve) => setTimeout(resolve, 60_000))
    })
    const ended = assert.rejects(endless, { code: 'SD_TIMEOUT' })
    await Promise.all([advance(60_000), ended])
    assert.equal(own?.aborted, true)
    assertState(breaker, 'open')
  },

  'an aborted call ends at once and is neutral': async ({ create, calls }) => {
    const breaker = create({ window: { kind: 'count', size: 1 } })
    const controller = new AbortController()
    const { signal } = controller
    let own: AbortSignal | undefined
    const aborted = later(
      breaker.execute(
        (given) => {
          own = given
          return new Promise<void>((_, reject) => controller.signal.addEventListener('abort', () => reject(new Error('gone'))))
        },
        { signal, fallback: { kind: 'value', value: undefined } },
      ),
    )
    controller.abort()
    await assert.rejects(aborted, { code: 'SD_ABORTED' })
    assert.equal(own?.aborted, true)
    await assert.rejects(
      breaker.execute(() => 1, { signal }),
      { code: 'SD_ABORTED' },
    )
    assertState(breaker, 'closed')
    calls(breaker, false)
    assertState(breaker, 'open')
  },

  'a fallback replaces failures and refusals': async ({ create }) => {
    const breaker = create({ window: { kind: 'count', size: 2 } })
    const value = { kind: 'value', value: 'instead' } as const
    assert.equal(await answerOf(breaker.execute<string>(fails, { fallback: value })), 'instead')
    const run = async (error: unknown): Promise<string> => (error as Error).message
    assert.equal(await answerOf(breaker.execute<string>(fails, { fallback: { kind: 'function', run } })), 'failed')
    assertState(breaker, 'open', 'a fallback does not hide a failure')
    assert.equal(await answerOf(breaker.execute<string>(fails, { fallback: value })), 'instead')
    const codeOf = (error: unknown): string => (error as { code: string }).code
    assert.equal(await answerOf(breaker.execute<string>(fails, { fallback: { kind: 'function', run: codeOf } })), 'SD_REJECTED')
  },

  'a fallback can be the last success of the same key': async ({ create, advance }) => {
    const breaker = create({ maxLastSuccesses: 2 })
    const last = (key: string) => ({ fallback: { kind: 'last-success', key, maxAgeMs: 1_000 } }) as const
    await assert.rejects(breaker.execute(fails, last('a')), { message: 'failed' })
    assert.equal(await breaker.execute(() => 'A', last('a')), 'A')
    assert.equal(await breaker.execute(() => 'B', last('b')), 'B')
    assert.equal(await answerOf(breaker.execute<string>(fails, last('a'))), 'A')
    await breaker.execute(() => 'C', last('c'))
    await assert.rejects(breaker.execute(fails, last('b')), { message: 'failed' }, 'the least recently used result was evicted')
    breaker.isolate()
    assert.equal(await answerOf(breaker.execute<string>(fails, last('a'))), 'A')
    await advance(1_100)
    await assert.rejects(breaker.execute(fails, last('a')), { code: 'SD_REJECTED' }, 'too old')
  },

  'ignored errors reach the caller despite a fallback': async ({ create }) => {
    const breaker = create({ window: { kind: 'count', size: 1 }, isIgnored: ({ ok }) => !ok })
    await assert.rejects(breaker.execute<number>(fails, { fallback: { kind: 'value', value: 1 } }), { message: 'failed' })
    assertState(breaker, 'closed')
  },

  'invalid options are rejected with the name of the field': async ({ create }) => {
    assert.throws(() => create({ failureRate: 2 }), { code: 'SD_INVALID', field: 'failureRate' })
    assert.throws(() => create({ window: { kind: 'time', durationMs: 1 } }), { code: 'SD_INVALID', field: 'window.durationMs' })
    assert.throws(() => create({ threshold: 1 } as never), { code: 'SD_INVALID', field: 'threshold' })
    await assert.rejects(
      create({}).execute(() => 1, { fallback: { kind: 'last-success', key: '' } }),
      { code: 'SD_INVALID', field: 'fallback.key' },
    )
  },
}
