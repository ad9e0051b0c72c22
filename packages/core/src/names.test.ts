import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkServiceName, escapeName, unescapeName } from './names.ts'

const anyName = fc.string({ unit: 'binary' })
const likeEscaped = fc
  .array(fc.constantFrom('a', 'Z', '0', '.', '_', '-', '~', '~7e', '~2f', '~c3', '~bc', '~FF', '/', 'ü', '\ufeff'))
  .map((parts) => parts.join(''))

describe('escapeName', () => {
  test.each([
    ['orders', 'orders'],
    ['v1.2_x-Y', 'v1.2_x-Y'],
    ['a/b', 'a~2fb'],
    ['a~b', 'a~7eb'],
    ['ü', '~c3~bc'],
    ['..', '~2e.'],
    ['-a', '~2da'],
    ['/-.', '~2f-.'],
    ['', ''],
  ])('%j becomes %j and back', (name, escaped) => {
    expect(escapeName(name)).toBe(escaped)
    expect(unescapeName(escaped)).toBe(name)
  })

  test('uses only safe characters, and unescapeName restores every name', () => {
    fc.assert(
      fc.property(fc.oneof(anyName, likeEscaped), (name) => {
        const escaped = escapeName(name)
        expect(escaped).toMatch(/^(?:(?:[A-Za-z0-9]|~[0-9a-f]{2})(?:[A-Za-z0-9._-]|~[0-9a-f]{2})*)?$/)
        expect(unescapeName(escaped)).toBe(name.toWellFormed())
      }),
    )
  })

  test('encodes different names differently', () => {
    fc.assert(
      fc.property(fc.oneof(anyName, likeEscaped), fc.oneof(anyName, likeEscaped), (one, other) => {
        expect(escapeName(one) === escapeName(other)).toBe(one.toWellFormed() === other.toWellFormed())
      }),
    )
  })
})

describe('unescapeName', () => {
  test.each(['a~41', '~ff', '~', 'a~2', 'a~2F', '~zz', 'ü~2f', 'a/~2f'])('leaves %j, which escapeName never writes', (text) => {
    expect(unescapeName(text)).toBe(text)
  })

  test('accepts any text, and changes only what escapeName wrote', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), likeEscaped), (text) => {
        const name = unescapeName(text)
        if (name !== text) expect(escapeName(name)).toBe(text)
      }),
    )
  })
})

describe('the name of a service', () => {
  test.each(['orders', 'orders.default', 'a/b', 'http:orders'])('%s is one', (name) => {
    expect(checkServiceName('service', name)).toBe(name)
  })

  test.each([
    ['http://orders/x', '"orders"'],
    ['https://orders:8080', '"orders"'],
    ['consul://user:secret@10.0.0.1:8500/x', '"10.0.0.1"'],
    ['HTTP://Orders', '"Orders"'],
    ['http://', '"orders"'],
    ['http:///path', '"orders"'],
  ])('%s is a URL', (url, wanted) => {
    const message = `Invalid service: got "a URL", want the name of a service, such as ${wanted}, without protocol, port and path`
    expect(() => checkServiceName('service', url)).toThrow(message)
  })
})
