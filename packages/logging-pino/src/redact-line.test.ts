import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLineRedactor } from './redact-line.ts'

const redact = createLineRedactor({})

test.each<[string, unknown, unknown]>([
  ['a string', { password: 'p"},\\' }, { password: '[Redacted]' }],
  ['an object', { secret: { a: [1, '}'] }, b: 1 }, { secret: '[Redacted]', b: 1 }],
  ['an array', { 'set-cookie': ['a=1', 'b="2"]'], b: [1] }, { 'set-cookie': '[Redacted]', b: [1] }],
  ['a number at the end', { a: { token: 5 } }, { a: { token: '[Redacted]' } }],
  ['null in a list', [{ token: null }, 1], [{ token: '[Redacted]' }, 1]],
  [
    'several',
    { token: 1, a: 2, dbPassword: 3, 'X-Api-Key': 4 },
    { token: '[Redacted]', a: 2, dbPassword: '[Redacted]', 'X-Api-Key': '[Redacted]' },
  ],
  ['a name that only begins so', { tokens_used: 5, secretary: 'Ann' }, { tokens_used: 5, secretary: 'Ann' }],
  ['JSON in a string', { text: '{"password":"x"}' }, { text: '{"password":"***"}' }],
  ['a URL in a message', { msg: 'no redis://:p4ss@h:1' }, { msg: 'no redis://:***@h:1' }],
  [
    'a connection string',
    { err: { stack: 'at Server=h;Password=p"4;x=1' } },
    { err: { stack: 'at Server=h;Password=***"4;x=1' } },
  ],
  ['a bearer token', { msg: 'sent Bearer abcdefgh.1234' }, { msg: 'sent Bearer ***' }],
  [
    'short names',
    { dsn: 'x', spin: 1, PIN: 1, auth: 'x', connectionString: 'x', string: 'x', key: 'orders.yaml', privateKey: 'x' },
    {
      dsn: '[Redacted]',
      spin: 1,
      PIN: '[Redacted]',
      auth: '[Redacted]',
      connectionString: '[Redacted]',
      string: 'x',
      key: 'orders.yaml',
      privateKey: '[Redacted]',
    },
  ],
  ['a value that is a name', { text: 'password', list: ['token', ':'] }, { text: 'password', list: ['token', ':'] }],
])('%s', (_, value, expected) => {
  expect(JSON.parse(redact(JSON.stringify(value)))).toEqual(expected)
})

test('custom patterns are masked everywhere', () => {
  const own = createLineRedactor({ contents: [/\d{16}/] })
  expect(own('{"a":"card 1234567812345678"}')).toBe('{"a":"card ***"}')
})

test('custom names are redacted too, with any characters', () => {
  const own = createLineRedactor({ keys: ['iban', 'a.b', 'quo"te'] })
  expect(JSON.parse(own('{"customerIBAN":1,"a.b":2,"axb":3,"quo\\"te":4}'))).toEqual({
    customerIBAN: '[Redacted]',
    'a.b': '[Redacted]',
    axb: 3,
    'quo"te': '[Redacted]',
  })
})

test('of any JSON, exactly the values of secret names are redacted', () => {
  const name = fc.oneof(fc.constantFrom('password', 'sessionToken', 'Authorization', 'user', 'note'), fc.string())
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, fc.string(), fc.integer(), fc.constant(null), tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(name, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  }))
  function expected(any: unknown): unknown {
    if (Array.isArray(any)) return any.map(expected)
    if (typeof any !== 'object' || any === null) return any
    const secret = /(password|token|authorization)$/i
    return Object.fromEntries(Object.entries(any).map(([key, inner]) => [key, secret.test(key) ? '[Redacted]' : expected(inner)]))
  }
  fc.assert(
    fc.property(value, (any) => {
      expect(JSON.parse(redact(JSON.stringify(any)))).toEqual(expected(any))
    }),
    { seed: 7, numRuns: 500 },
  )
})
