import { describe, expect, test } from 'vitest'
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
  ['sid=', undefined],
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

describe('a response', () => {
  test.each<[string | string[] | undefined, string | undefined]>([
    ['sid=4711', '4711'],
    [['other=1', 'sid=4711; Path=/; HttpOnly'], '4711'],
    [[' sid= 4711 ;Max-Age=60'], '4711'],
    ['sid="a b"; Secure', '"a b"'],
    [['sid=old', 'sid=new'], 'new'],
    ['sid=4711; max-age=60; expires=Thu, 01 Jan 1970 00:00:00 GMT', '4711'],
    ['sid=4711; expires=nonsense; max-age=x', '4711'],
    ['sid=; path=/', ''],
    ['sid=deleted; Max-Age=0', undefined],
    ['sid=deleted; max-age = -1', undefined],
    ['sid=deleted; Expires=Thu, 01 Jan 1970 00:00:00 GMT', undefined],
    [['sid=1', 'sid=deleted; max-age=0'], undefined],
    ['xsid=1', undefined],
    [[], undefined],
    [undefined, undefined],
  ])('%j starts the session %j', (fields, expected) => {
    expect(cookieKey('sid').ofResponse?.({ 'set-cookie': fields })).toBe(expected)
  })

  test('starts a session by a header field', () => {
    const key = headerKey('Mcp-Session-Id')
    expect(key.ofResponse?.({ 'mcp-session-id': 'a' })).toBe('a')
    expect(key.ofResponse?.({ 'mcp-session-id': ['b', 'c'] })).toBe('b')
    expect(key.ofResponse?.({})).toBeUndefined()
  })

  test('ignores an empty cookie', () => {
    expect(cookieKey('sid')({ headers: { cookie: 'sid=; sid=7' } })).toBe('7')
    expect(cookieKey('sid')({ headers: { cookie: 'sid=' } })).toBeUndefined()
  })
})
