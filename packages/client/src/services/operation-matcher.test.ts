import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createOperationMatcher, readOperation } from './operation-matcher.ts'

function match(operations: readonly string[], method: string, path: string): string | undefined {
  return createOperationMatcher(operations.map((name) => [readOperation('operations', name), name] as const)).find(method, path)
}

test.each<[string, readonly string[], string, string, string | undefined]>([
  ['a literal path', ['GET /stock'], 'GET', '/stock', 'GET /stock'],
  ['the query is ignored', ['GET /stock'], 'GET', '/stock?id=1/2', 'GET /stock'],
  ['another method', ['GET /stock'], 'POST', '/stock', undefined],
  ['a parameter', ['GET /stock/{id}'], 'GET', '/stock/7', 'GET /stock/{id}'],
  ['a parameter is not empty', ['GET /stock/{id}'], 'GET', '/stock/', undefined],
  ['a parameter is one segment', ['GET /stock/{id}'], 'GET', '/stock/7/8', undefined],
  ['a prefix of a segment does not match', ['GET /stock'], 'GET', '/stocks', undefined],
  ['a longer pattern', ['GET /stock/{id}/log'], 'GET', '/stock/7', undefined],
  [
    'the literal one of two matches, whatever their order',
    ['GET /stock/{id}', 'GET /stock/all'],
    'GET',
    '/stock/all',
    'GET /stock/all',
  ],
  ['the literal segment further to the left decides', ['GET /{a}/b', 'GET /a/{b}'], 'GET', '/a/b', 'GET /a/{b}'],
  ['the root', ['GET /'], 'GET', '/', 'GET /'],
  ['a trailing slash is another path', ['GET /a'], 'GET', '/a/', undefined],
])('%s', (_, operations, method, path, found) => {
  expect(match(operations, method, path)).toBe(found)
})

test('it matches the same paths as a regular expression', () => {
  const segment = fc.constantFrom('a', 'b', 'ab', '')
  const pattern = fc.array(fc.oneof(segment, fc.constant('{x}')), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(pattern, fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean(), (segments, path, hasQuery) => {
      const expression = new RegExp(`^/${segments.map((one) => (one === '{x}' ? '[^/]+' : one)).join('/')}$`)
      const text = `/${path.join('/')}`
      expect(match([`GET /${segments.join('/')}`], 'GET', hasQuery ? `${text}?a/b` : text) !== undefined).toBe(
        expression.test(text),
      )
    }),
  )
})
