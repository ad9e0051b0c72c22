import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkMethod, checkPath, readHeaders } from './request-check.ts'

const invalid = (field: string): object => expect.objectContaining({ code: 'SD_INVALID', field })

describe('header fields', () => {
  test('names are lower case, values are trimmed', () => {
    expect(readHeaders('headers', { 'X-A': ' b\t', 'x-latin': 'é', 'x-empty': '' })).toEqual({
      'x-a': 'b',
      'x-latin': 'é',
      'x-empty': '',
    })
  })

  test.each(['connection', 'Keep-Alive', 'transfer-encoding', 'upgrade', 'proxy-connection', 'http2-settings', 'expect'])(
    '%s belongs to another connection, and is dropped',
    (name) => {
      expect(readHeaders('headers', { [name]: 'x', te: 'trailers', host: 'a' })).toEqual({ te: 'trailers', host: 'a' })
    },
  )

  test.each(['x', '-1', '1.5', '1, 1', ''])('the content-length %o is dropped', (value) => {
    expect(readHeaders('headers', { 'content-length': value })).toEqual({})
  })

  test.each(['a b', 'a:b', 'é', '', 'a\n', 'a\0'])('the name %j is rejected', (name) => {
    expect(() => readHeaders('headers', { [name]: 'x' })).toThrow(invalid('headers'))
  })

  test.each([5, null, ['x'], {}])('the value %j is rejected; the error names its type', (value) => {
    expect(() => readHeaders('services.orders.headers', { 'x-a': value as never })).toThrow(
      invalid('services.orders.headers.x-a'),
    )
  })

  test('an error never quotes a value', () => {
    const bad = fc.tuple(fc.string({ unit: 'binary' }), fc.constantFrom('\r\n', '\n', '\0', '€', '日', '\x7f'), fc.string())
    fc.assert(
      fc.property(bad, ([before, character, after]) => {
        const value = `SECRET${before}${character}${after}x`
        let message = ''
        try {
          readHeaders('headers', { authorization: value })
        } catch (error) {
          message = String(error) + JSON.stringify(error)
        }
        expect(message).toContain('authorization')
        expect(message).not.toContain('SECRET')
      }),
    )
  })
})

describe('paths', () => {
  test.each([
    ['/orders/1?x=1&y=a+b%20c', '/orders/1?x=1&y=a+b%20c'],
    ['/search/é', '/search/%C3%A9'],
    ['/日本?q=ü', '/%E6%97%A5%E6%9C%AC?q=%C3%BC'],
    ['/a"b<c>d\\e^f`g{h|i}', '/a%22b%3Cc%3Ed%5Ce%5Ef%60g%7Bh%7Ci%7D'],
    ["/o'neil?name=o'neil", "/o'neil?name=o%27neil"],
    ['//other.example/x', '//other.example/x'],
  ])('%s is sent as %s', (path, sent) => {
    expect(checkPath(path)).toBe(sent)
  })

  test.each([
    '',
    'orders',
    'http://other.example/',
    '@other.example',
    '/a b',
    '/a\r\nx: y',
    '/a#b',
    '/a\0',
    '/a\x7f',
    '/\ud800',
    `/${'a'.repeat(65_536)}`,
    5,
    null,
    undefined,
    ['/a'],
  ])('%j is rejected', (path) => {
    expect(() => checkPath(path)).toThrow(invalid('path'))
  })

  test('an error does not quote the query', () => {
    for (const path of ['/a b?token=SECRET', 'a?token=SECRET', '/a?token=SECRET #']) {
      expect(() => checkPath(path)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('SECRET') }))
    }
  })

  test('an accepted path is visible ASCII, equals the result of URL, and is accepted again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const path = `/x${text}`
        let sent: string
        try {
          sent = checkPath(path)
        } catch {
          return
        }
        expect(sent).toMatch(/^\/[\x21-\x7e]*$/)
        expect(checkPath(sent)).toBe(sent)
        const { pathname, search } = new URL(`http://h${sent}`)
        if (!/\/\.|%2e/i.test(sent) && !sent.endsWith('?')) expect(`${pathname}${search}`).toBe(sent)
      }),
      { numRuns: 1_000 },
    )
  })
})

test('a method is a token, in upper case', () => {
  expect(['get', 'M-SEARCH', 'PATCH'].map(checkMethod)).toEqual(['GET', 'M-SEARCH', 'PATCH'])
  for (const method of ['', 'GET /', 'GE T', 'É', 'CONNECT', 'connect', 5, null, 'A'.repeat(41)]) {
    expect(() => checkMethod(method)).toThrow(invalid('method'))
  }
})
