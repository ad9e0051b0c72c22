import { expect, test } from 'vitest'
import { cookieKey, hashKeyOf, headerKey } from './index.ts'

test('a hash key', () => {
  expect(hashKeyOf({ hashKey: 'user-1' })).toBe('user-1')
  expect(hashKeyOf({})).toBeUndefined()
})

test('a header field, in any case', () => {
  const key = headerKey('X-User-Id')
  expect(key({ headers: { 'x-user-id': '7' } })).toBe('7')
  expect(key({ headers: {} })).toBeUndefined()
  expect(key({})).toBeUndefined()
  expect(() => headerKey('')).toThrow('Invalid name')
})

test.each([
  ['sid=abc', 'abc'],
  ['other=1; sid=abc; more=2', 'abc'],
  ['other=1;sid=abc', 'abc'],
  ['other=sid=1; sid=a=b ', 'a=b'],
  ['xsid=1; sid=2; sid=3', '2'],
  ['SID=1', undefined],
  ['sid', undefined],
  ['sid=', ''],
  [';; ;', undefined],
  ['   ', undefined],
  ['', undefined],
])('the cookie of %j is %j', (cookie, expected) => {
  expect(cookieKey('sid')({ headers: { cookie } })).toBe(expected)
})

test('no cookie', () => {
  expect(cookieKey('sid')({ headers: {} })).toBeUndefined()
  expect(cookieKey('sid')({})).toBeUndefined()
  expect(() => cookieKey('')).toThrow('Invalid name')
})
