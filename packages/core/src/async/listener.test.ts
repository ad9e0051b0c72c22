import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type SdError, toSdError } from '../errors.ts'
import { guardListener } from './listener.ts'

const bug = new Error('bug')
const failing: Readonly<Record<string, () => unknown>> = {
  throws: throwBug,
  rejects: async () => {
    throw bug
  },
  'returns a thenable that fails later': () => thenable({ value: (_: unknown, fail: (error: Error) => void) => fail(bug) }),
  'returns a thenable that throws': () => thenable({ value: throwBug }),
  "returns an object whose then can't be read": () => thenable({ get: throwBug }),
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(process, 'emitWarning').mockReturnValue()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe.each(Object.entries(failing))('a listener that %s', (_, listener) => {
  test('is reported, and the caller is not affected', async () => {
    const report = vi.fn()
    expect(guardListener('listener of a', listener, report)()).toBeUndefined()
    await vi.advanceTimersByTimeAsync(0)
    expect(report.mock.calls).toEqual([
      [expect.objectContaining({ code: 'SD_LISTENER_FAILED', message: 'listener of a: bug', cause: bug })],
    ])
    expect(process.emitWarning).not.toHaveBeenCalled()
  })

  test('causes a warning at most once a minute if there is no report function', async () => {
    const guarded = guardListener('listener of a', listener)
    for (let call = 0; call < 100; call++) guarded()
    await vi.advanceTimersByTimeAsync(59_999)
    expect(process.emitWarning).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(1)
    guarded()
    await vi.advanceTimersByTimeAsync(0)
    expect(process.emitWarning).toHaveBeenCalledTimes(2)
  })

  test('may be its own report function', async () => {
    guardListener('listener of a', listener, listener)()
    await vi.advanceTimersByTimeAsync(0)
    expect(process.emitWarning).toHaveBeenCalledOnce()
  })
})

test('arguments are passed on, and a result is dropped', () => {
  const listener = vi.fn((one: number, two: string) => `${one}${two}`)
  expect(guardListener('listener', listener)(1, 'a')).toBeUndefined()
  expect(listener.mock.calls).toEqual([[1, 'a']])
})

test.each([
  ['nothing', undefined, 'undefined'],
  ['a symbol', Symbol('a'), 'Symbol(a)'],
  ['an object without a prototype', Object.create(null), "a value of type object that can't be converted to a string"],
  [
    'an error whose message throws',
    Object.defineProperty(new Error('a'), 'message', {
      get: () => {
        throw bug
      },
    }),
    "a value of type object that can't be converted to a string",
  ],
  ['a revoked proxy', revoked(), "a value of type object that can't be converted to a string"],
])('%s can be thrown', (_, thrown, text) => {
  const report = vi.fn<(error: SdError) => void>()
  guardListener(
    'listener',
    () => {
      throw thrown
    },
    report,
  )()
  expect(report.mock.calls[0]?.[0].message).toBe(`listener: ${text}`)
  expect(toSdError(thrown, 'SD_UNAVAILABLE', 'reading').message).toBe(`reading: ${text}`)
})

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function throwBug(): never {
  throw bug
}

function thenable(then: PropertyDescriptor): object {
  return Object.defineProperty({}, 'then', then)
}
