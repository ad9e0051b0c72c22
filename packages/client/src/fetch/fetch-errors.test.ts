import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { toFetchError } from './fetch-errors.ts'

const aborted = new SdError('SD_ABORTED', 'The call was aborted')

describe('fetch rejects', () => {
  test('with an error that is not of the client as it is', () => {
    const error = new TypeError('not a URL')
    expect(toFetchError(error, undefined)).toBe(error)
  })

  test('with the reason of the signal', () => {
    const reason = { why: 'left' }
    expect(toFetchError(aborted, AbortSignal.abort(reason))).toBe(reason)
    const own = new DOMException('own', 'DataError')
    expect(toFetchError(aborted, AbortSignal.abort(own))).toBe(own)
  })

  test.each([
    ['AbortError', AbortSignal.abort()],
    ['TimeoutError', AbortSignal.abort(new DOMException('too late', 'TimeoutError'))],
  ])('with the default reason %s of the signal and the error of the client as its cause', (name, signal) => {
    const error = toFetchError(aborted, signal) as DOMException
    expect(error).toBeInstanceOf(DOMException)
    expect([error.name, error.message, error.cause]).toEqual([name, (signal.reason as DOMException).message, aborted])
    expect(error).not.toBe(signal.reason)
  })

  test.each<[string, SdError['code']]>([
    ['AbortError', 'SD_ABORTED'],
    ['TimeoutError', 'SD_DEADLINE_EXCEEDED'],
    ['TimeoutError', 'SD_TIMEOUT'],
  ])('with %s for %s', (name, code) => {
    for (const signal of [undefined, new AbortController().signal]) {
      const cause = new SdError(code, 'why')
      const error = toFetchError(cause, signal) as DOMException
      expect(error).toBeInstanceOf(DOMException)
      expect([error.name, error.message, error.cause]).toEqual([name, 'why', cause])
    }
  })

  test('with TypeError for all else, also if the signal has fired', () => {
    for (const signal of [undefined, AbortSignal.abort()]) {
      const cause = new SdError('SD_NO_INSTANCE', 'none')
      const error = toFetchError(cause, signal) as TypeError
      expect(error).toBeInstanceOf(TypeError)
      expect([error.message, error.cause]).toEqual(['fetch failed', cause])
    }
  })
})
