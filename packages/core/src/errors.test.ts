import { describe, expect, test } from 'vitest'
import { abortError, closedError, SdError, toSdError } from './errors.ts'
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkOneOf,
  checkText,
} from './validate.ts'

describe('SdError', () => {
  test('has a code, retryable and a cause', () => {
    const cause = new Error('socket hang up')
    const error = new SdError('SD_UNAVAILABLE', 'unreachable', { cause })
    expect(error).toMatchObject({ name: 'SdError', code: 'SD_UNAVAILABLE', retryable: true, message: 'unreachable', cause })
    expect(new SdError('SD_DENIED', 'no').retryable).toBe(false)
    expect(new SdError('SD_DENIED', 'no', { retryable: true }).retryable).toBe(true)
    expect('cause' in new SdError('SD_DENIED', 'no')).toBe(false)
  })

  test('is recognised across copies of the package, and other errors are not', async () => {
    const copy = (await import(`./errors.ts?copy=${'2'}`)) as typeof import('./errors.ts')
    expect(copy.SdError).not.toBe(SdError)
    const foreign = new copy.SdError('SD_CLOSED', 'x')
    expect(Object.getPrototypeOf(foreign)).not.toBe(SdError.prototype)
    expect(foreign instanceof SdError).toBe(true)
    expect(new SdError('SD_CLOSED', 'x') instanceof copy.SdError).toBe(true)
    for (const value of [undefined, null, 'SdError', new Error('x'), { code: 'SD_CLOSED' }])
      expect(value instanceof SdError).toBe(false)
  })

  test('leaves the instances of a subclass to the subclass', () => {
    class OwnError extends SdError {}
    expect(new OwnError('X_OWN', 'x') instanceof OwnError).toBe(true)
    expect(new OwnError('X_OWN', 'x') instanceof SdError).toBe(true)
    expect(new SdError('SD_CLOSED', 'x') instanceof OwnError).toBe(false)
  })

  test('is created from any thrown value', () => {
    const error = new SdError('SD_CLOSED', 'x')
    expect(toSdError(error, 'SD_UNAVAILABLE', 'reading')).toBe(error)
    expect(toSdError(new Error('boom'), 'SD_UNAVAILABLE', 'reading').message).toBe('reading: boom')
    expect(toSdError('boom', 'SD_TIMEOUT', 'reading')).toMatchObject({
      code: 'SD_TIMEOUT',
      message: 'reading: boom',
      cause: 'boom',
    })
    expect(abortError(AbortSignal.abort('why'), 'call')).toMatchObject({
      code: 'SD_ABORTED',
      message: 'call was aborted',
      cause: 'why',
    })
    expect(closedError('registry').message).toBe('registry is closed')
  })
})

describe('checks', () => {
  test('return valid values', () => {
    expect(checkInteger('f', 3, { min: 1, max: 3 })).toBe(3)
    expect(checkNumber('f', 0.5, { min: 0, max: 1 })).toBe(0.5)
    expect(checkDuration('f', 0)).toBe(0)
    expect(checkBoolean('f', false)).toBe(false)
    expect(checkOneOf('f', 'a', ['a', 'b'])).toBe('a')
    expect(checkName('f', '日本語/🦄')).toBe('日本語/🦄')
    expect(checkText('f', '\n', 1)).toBe('\n')
    const object = {}
    expect(checkObject('f', object)).toBe(object)
    const call = (): void => undefined
    expect(checkFunction('f', call)).toBe(call)
    checkKnownKeys('', { a: 1 }, ['a'])
  })

  test.each<[string, () => unknown]>([
    ['Invalid port: got 0, want an integer from 1 to 9', () => checkInteger('port', 0, { min: 1, max: 9 })],
    ['Invalid port: got NaN, want an integer from 1 to 9', () => checkInteger('port', Number.NaN, { min: 1, max: 9 })],
    [
      'Invalid weight: got Infinity, want a number from 0 to 1',
      () => checkNumber('weight', Number.POSITIVE_INFINITY, { min: 0, max: 1 }),
    ],
    ['Invalid ttlMs: got 1.5, want an integer from 0 to 2147483647', () => checkDuration('ttlMs', 1.5)],
    ['Invalid on: got "yes", want true or false', () => checkBoolean('on', 'yes')],
    ['Invalid mode: got null, want one of a, b', () => checkOneOf('mode', null, ['a', 'b'])],
    ['Invalid fn: got a value of type object, want a function', () => checkFunction('fn', {} as never)],
    ['Invalid o: got an array, want an object', () => checkObject('o', [])],
    ['Invalid a.b: unknown field, want one of c', () => checkKnownKeys('a', { b: 1 }, ['c'])],
    [
      'Invalid timeout: unknown field, did you mean timeoutMs? Want one of name, timeoutMs',
      () => checkKnownKeys('', { timeout: 1 }, ['name', 'timeoutMs']),
    ],
    [
      'Invalid timeoutMS: unknown field, did you mean timeoutMs? Want one of name, timeoutMs',
      () => checkKnownKeys('', { timeoutMS: 1 }, ['name', 'timeoutMs']),
    ],
    [
      'Invalid nmae: unknown field, did you mean name? Want one of timeoutMs, name',
      () => checkKnownKeys('', { nmae: 1 }, ['timeoutMs', 'name']),
    ],
    [
      'Invalid sevice: unknown field, did you mean service? Want one of service',
      () => checkKnownKeys('', { sevice: 1 }, ['service']),
    ],
    ['Invalid check: unknown field, did you mean checks? Want one of checks', () => checkKnownKeys('', { check: 1 }, ['checks'])],
    [
      'Invalid endpoints: unknown field, did you mean servers? Want one of tls, servers',
      () => checkKnownKeys('', { endpoints: ['a:1'] }, ['tls', 'servers']),
    ],
    ['Invalid endpoints: unknown field, want one of service', () => checkKnownKeys('', { endpoints: 1 }, ['service'])],
    ['Invalid host: unknown field, want one of port', () => checkKnownKeys('', { host: 1 }, ['port'])],
    ['Invalid options: got undefined, want an object', () => checkKnownKeys('', undefined as never, [])],
    ['Invalid a: got 5, want an object', () => checkKnownKeys('a', 5 as never, [])],
    ['Invalid 0: unknown field, want one of a', () => checkKnownKeys('', ['x'], ['a'])],
    ['Invalid a: got "a promise", want its result (await the promise)', () => checkObject('a', Promise.resolve({}))],
    ['Invalid a: got "a promise", want a function (await the promise)', () => checkFunction('a', Promise.resolve() as never)],
    [`Invalid t: got "${'x'.repeat(60)}…", want a string of at most 9 characters`, () => checkText('t', 'x'.repeat(100), 9)],
    ['Invalid t: got undefined, want a string of at most 9 characters', () => checkText('t', undefined, 9)],
  ])('%s', (message, run) => {
    expect(run).toThrow(expect.objectContaining({ code: 'SD_INVALID', message }))
  })

  test.each(['', ' a', 'a ', 'a\u0000', 'a\nb', '\u007f', '\ud800', 'x'.repeat(256), 7])('%j is not a name', (value) => {
    expect(() => checkName('id', value)).toThrow(expect.objectContaining({ field: 'id' }))
  })
})
