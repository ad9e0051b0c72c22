import { describe, expect, test } from 'vitest'
import { SdError } from './errors.ts'
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
  invalidError,
  MAX_DURATION_MS,
  prefixField,
} from './validate.ts'

const range = { min: 1, max: 5 }

describe('numbers', () => {
  test.each([1, 3, 5])('%d is in the range', (value) => {
    expect([checkInteger('x', value, range), checkNumber('x', value, range)]).toEqual([value, value])
  })

  test.each([0, 5.5, Number.NaN, Number.POSITIVE_INFINITY, '3', undefined])('%s is not', (value) => {
    expect(() => checkInteger('x', value, range)).toThrow('want an integer from 1 to 5')
    expect(() => checkNumber('x', value, range)).toThrow('want a number from 1 to 5')
  })

  test('a fraction is a number, but not an integer', () => {
    expect(checkNumber('x', 1.5, range)).toBe(1.5)
    expect(() => checkInteger('x', 1.5, range)).toThrow('Invalid x: got 1.5, want an integer from 1 to 5')
  })

  test('a duration is whole and as long as a timer takes', () => {
    expect([checkDuration('x', 0), checkDuration('x', MAX_DURATION_MS), checkDuration('x', 5, 5)]).toEqual([
      0,
      MAX_DURATION_MS,
      5,
    ])
    for (const value of [-1, 0.5, MAX_DURATION_MS + 1]) expect(() => checkDuration('x', value)).toThrow('Invalid x')
    expect(() => checkDuration('x', 4, 5)).toThrow(`want an integer from 5 to ${MAX_DURATION_MS}`)
  })
})

describe('other types', () => {
  const list = (): void => undefined
  test('what has the type is returned', () => {
    const object = { a: 1 }
    expect(checkBoolean('x', false)).toBe(false)
    expect(checkOneOf('x', 'b', ['a', 'b'])).toBe('b')
    expect(checkFunction('x', list)).toBe(list)
    expect(checkObject('x', object)).toBe(object)
  })

  test.each<[string, () => unknown, string]>([
    ['a boolean', () => checkBoolean('x', 0), 'got 0, want true or false'],
    ['one of a list', () => checkOneOf('x', 'c', ['a', 'b']), 'got "c", want one of a, b'],
    ['a function', () => checkFunction('x', 5 as never), 'got 5, want a function'],
    [
      'a function, not a promise',
      () => checkFunction('x', Promise.resolve() as never),
      'got "a promise", want a function (await',
    ],
    ['an object', () => checkObject('x', null), 'got null, want an object'],
    ['an object, not a text', () => checkObject('x', 'text'), 'got "text", want an object'],
    ['an object, not an array', () => checkObject('x', []), 'got an array, want an object'],
    ['an object, not a promise', () => checkObject('x', Promise.resolve()), 'got "a promise", want its result (await'],
  ])('want %s', (_, check, message) => {
    expect(check).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'x', message: expect.stringContaining(message) }))
  })
})

describe('texts', () => {
  test.each(['a', 'x'.repeat(255), 'a/b', 'größe', '名'])('%s is a name', (value) => expect(checkName('x', value)).toBe(value))

  test.each(['', 'x'.repeat(256), ' a', 'a ', 'a\nb', '\u007f', '\ud800', 5, undefined])('%j is not', (value) => {
    expect(() => checkName('x', value)).toThrow('want a string of 1 to 255 characters without control characters')
  })

  test('a name may have another limit', () => {
    expect(checkName('x', 'abc', 3)).toBe('abc')
    expect(() => checkName('x', 'abcd', 3)).toThrow('want a string of 1 to 3 characters')
  })

  test('a text may be empty and have any well-formed characters up to its limit', () => {
    for (const value of ['', 'a\nb', 'abc']) expect(checkText('x', value, 3)).toBe(value)
    for (const value of ['abcd', '\ud800', 5])
      expect(() => checkText('x', value, 3)).toThrow('want a string of at most 3 characters')
  })
})

describe('known keys', () => {
  const known = ['timeoutMs', 'servers', 'retries', 'maxAttempts']
  const messageFor = (key: string): string => {
    try {
      checkKnownKeys('', { [key]: 1 }, known)
    } catch (error) {
      return (error as Error).message
    }
    return 'accepted'
  }

  test('are accepted', () => {
    expect(known.map(messageFor)).toEqual(known.map(() => 'accepted'))
    expect(() => checkKnownKeys('', {}, known)).not.toThrow()
  })

  test.each([
    ['timeout', 'timeoutMs'],
    ['TIMEOUTMS', 'timeoutMs'],
    ['server', 'servers'],
    ['endpoints', 'servers'],
    ['hosts', 'servers'],
    // One letter missing, added, changed; two swapped.
    ['retris', 'retries'],
    ['rettries', 'retries'],
    ['retrias', 'retries'],
    ['retires', 'retries'],
    ['maxAttempst', 'maxAttempts'],
  ])('%s is taken for %s', (key, meant) => {
    expect(messageFor(key)).toBe(
      `Invalid ${key}: unknown field, did you mean ${meant}? Want one of timeoutMs, servers, retries, maxAttempts`,
    )
  })

  test.each(['delayMs', 'reetriies', 'retiesr', 'sreverx', 'max'])('%s is like none of them', (key) => {
    expect(messageFor(key)).toBe(`Invalid ${key}: unknown field, want one of timeoutMs, servers, retries, maxAttempts`)
  })

  test('short keys have no typos: too many are one letter apart', () => {
    expect(() => checkKnownKeys('', { age: 1 }, ['max', 'add', 'ape'])).toThrow('unknown field, want one of max, add, ape')
  })

  test('a name of other libraries is only proposed where it is known', () => {
    expect(() => checkKnownKeys('', { hosts: 1 }, ['delayMs'])).toThrow('unknown field, want one of delayMs')
  })

  test('are looked for in objects, and the path is in the error', () => {
    const failing = (field: string, value: unknown) => () => checkKnownKeys(field, value as object, known)
    expect(failing('retry', { x: 1 })).toThrow(expect.objectContaining({ field: 'retry.x' }))
    expect(failing('', undefined)).toThrow('Invalid options: got undefined, want an object')
    expect(failing('retry', 5)).toThrow('Invalid retry: got 5, want an object')
    expect(failing('retry', Promise.resolve())).toThrow('Invalid retry: got "a promise"')
    expect(failing('retry', ['a'])).toThrow('Invalid retry.0: unknown field')
    expect(failing('retry', [])).not.toThrow()
  })
})

test.each<[unknown, string]>([
  [null, 'null'],
  [undefined, 'undefined'],
  ['x'.repeat(60), `"${'x'.repeat(60)}"`],
  ['x'.repeat(61), `"${'x'.repeat(60)}…"`],
  [5n, '5'],
  [true, 'true'],
  [[1], 'an array'],
  [{}, 'a value of type object'],
  [Symbol('x'), 'a value of type symbol'],
])('a rejected value is shown short: %#', (value, shown) => {
  expect(invalidError('x', value, 'y')).toMatchObject({ message: `Invalid x: got ${shown}, want y`, field: 'x' })
})

test('a proxy that throws at every access is rejected like other values', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  expect(() => checkBoolean('x', proxy)).toThrow('Invalid x: got a value of type object, want true or false')
  expect(() => checkFunction('x', proxy as never)).toThrow('Invalid x: got a value of type object, want a function')
})

test('prefixField puts the path of a part before the field, and leaves other errors alone', () => {
  const cause = new SdError('SD_TOO_LARGE', 'Invalid ratio: got 2, want at most 1', { field: 'ratio' })
  expect(prefixField('services.orders', cause)).toMatchObject({
    code: 'SD_TOO_LARGE',
    field: 'services.orders.ratio',
    message: 'Invalid services.orders.ratio: got 2, want at most 1',
    cause,
  })
  for (const other of [new SdError('SD_CLOSED', 'x is closed'), new Error('x'), undefined])
    expect(prefixField('a', other)).toBe(other)
})
