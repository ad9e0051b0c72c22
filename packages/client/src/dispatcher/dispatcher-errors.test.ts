import { SdError } from '@sd/core'
import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import { lengthError } from '../message/upload.ts'
import { toDispatcherError } from './dispatcher-errors.ts'

const none = { head: false, body: false }

describe('an error of a call is one that undici code knows', () => {
  test.each([
    ['invalid', new SdError('SD_INVALID', 'bad path'), errors.InvalidArgumentError],
    ['of another length', lengthError(), errors.RequestContentLengthMismatchError],
    ['unsupported', new SdError('SD_UNSUPPORTED', 'no upgrade'), errors.NotSupportedError],
    ['closed', new SdError('SD_CLOSED', 'client is closed'), errors.ClientClosedError],
    ['aborted', new SdError('SD_ABORTED', 'left'), errors.RequestAbortedError],
  ])('if it is %s', (_, error, expected) => {
    const made = toDispatcherError(error, none)
    expect(made).toBeInstanceOf(expected)
    expect(made.cause).toBe(error)
    if (expected !== errors.RequestContentLengthMismatchError) expect(made.message).toBe(error.message)
  })

  test.each([
    ['head', errors.HeadersTimeoutError],
    ['body', errors.BodyTimeoutError],
  ] as const)('if it is the limit of the %s', (limit, expected) => {
    const error = new SdError('SD_TIMEOUT', 'too late', { cause: new Error('inner') })
    const made = toDispatcherError(error, { ...none, [limit]: true })
    expect(made).toBeInstanceOf(expected)
    expect([made.message, made.cause]).toEqual(['too late', error])
  })
})

describe('an error stays what it is', () => {
  test('if it is not of the client, or if undici has none for it', () => {
    for (const error of [new Error('own'), new SdError('SD_NO_INSTANCE', 'none'), new SdError('SD_REJECTED', 'breaker is open')])
      expect(toDispatcherError(error, none)).toBe(error)
  })

  test('if it is the error of the request body', () => {
    const own = new TypeError('my stream failed')
    expect(toDispatcherError(new SdError('SD_ABORTED', 'body', { cause: own }), none)).toBe(own)
  })

  test('with its class and fields, and the error of the client as its cause, if it is of the system', () => {
    const system = Object.assign(new errors.SocketError('other side closed'), { errno: 5 })
    const inner = new SdError('SD_UNAVAILABLE', 'inner', { cause: system })
    const error = new SdError('SD_UNAVAILABLE', 'outer', { cause: inner })
    const made = toDispatcherError(error, none)
    expect(made).toBeInstanceOf(errors.SocketError)
    expect(made).not.toBe(system)
    expect(made).toMatchObject({ message: 'other side closed', code: 'UND_ERR_SOCKET', errno: 5, cause: error })
    expect(system.cause).toBeUndefined()
  })
})
