import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MASK } from './masked-text.ts'
import { createMasking, masking } from './masking.ts'

const secret = 'S3cr3t/Value+9='
const word = 's3cr3tw0rd'

describe('a text is shown without its secrets', () => {
  test.each<[string, string, string]>([
    ['a URL', `postgres://user:${word}@db.example:5432/x?ssl=1`, `postgres://user:${MASK}@db.example:5432/x?ssl=1`],
    ['a URL without a user', `redis://:${word}@host:6379`, `redis://:${MASK}@host:6379`],
    ['a password with an @', `amqp://u:${word}@x@host/v`, `amqp://u:${MASK}@host/v`],
    ['a password with a slash', `amqp://u:${word}/x@host/v`, `amqp://u:${MASK}@host/v`],
    ['several URLs', `mongodb://u:${word}@a:1,mongodb://u:${word}@b:2`, `mongodb://u:${MASK}@a:1,mongodb://u:${MASK}@b:2`],
    ['a query', `https://x/y?a=1&token=${word}&b=2`, `https://x/y?a=1&token=${MASK}&b=2`],
    ['JDBC', `jdbc:mysql://h:3306/db?user=u&password=${word}`, `jdbc:mysql://h:3306/db?user=u&password=${MASK}`],
    [
      'JDBC of SQL Server',
      `jdbc:sqlserver://h:1433;user=sa;password=${word};encrypt=true`,
      `jdbc:sqlserver://h:1433;user=sa;password=${MASK};encrypt=true`,
    ],
    ['JDBC of Oracle', `jdbc:oracle:thin:scott/${word}@//h:1521/x`, `jdbc:oracle:thin:scott/${MASK}@//h:1521/x`],
    [
      'a connection string',
      `Server=h;User Id=sa;Password=${word} with, blanks;Encrypt=true`,
      `Server=h;User Id=sa;Password=${MASK};Encrypt=true`,
    ],
    ['the short name', `Server=h;PWD=${word}`, `Server=h;PWD=${MASK}`],
    [
      'an account key',
      `AccountName=a;AccountKey=${secret}=;EndpointSuffix=x`,
      `AccountName=a;AccountKey=${MASK};EndpointSuffix=x`,
    ],
    ['a shared access key', `Endpoint=sb://x/;SharedAccessKey=${secret}`, `Endpoint=sb://x/;SharedAccessKey=${MASK}`],
    ['a key of an API', `curl -H "X-Api-Key=${word}"`, `curl -H "X-Api-Key=${MASK}"`],
    ['a value in quotes', `password="${word} and more", x=1`, `password=${MASK}, x=1`],
    ['a bearer token', `authorization: Bearer ${secret}`, `authorization: ${MASK}`],
    ['a bearer token in a sentence', `got Bearer ${secret} twice`, `got Bearer ${MASK} twice`],
    ['basic credentials', 'sent basic dXNlcjpwYXNz to it', `sent basic ${MASK} to it`],
    ['JSON', `{"db":{"password":"${word}","port":1}}`, `{"db":{"password":"${MASK}","port":1}}`],
    ['JSON within JSON', `{"a":"{\\"dbPassword\\":\\"${word}\\"}"}`, `{"a":"{\\"dbPassword\\":\\"${MASK}\\"}"}`],
    ['a line of YAML', `db:\n  password: ${word} x\n  port: 1`, `db:\n  password: ${MASK}\n  port: 1`],
    ['a line of .properties', `db.password = ${word}\nx = 1`, `db.password = ${MASK}\nx = 1`],
    [
      'a private key',
      `x\n-----BEGIN RSA PRIVATE KEY-----\n${secret}\n${secret}\n-----END RSA PRIVATE KEY-----\ny`,
      `x\n${MASK}\ny`,
    ],
    ['a private key that is cut off', `-----BEGIN PRIVATE KEY-----\n${secret}`, MASK],
    ['a JSON Web Token', `t eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.${word} u`, `t ${MASK} u`],
    ['a token of GitHub', `ghp_${word}${word}`, MASK],
  ])('%s', (_, text, expected) => {
    expect(masking.text(text)).toBe(expected)
    expect(masking.text(text)).not.toContain(word)
    // Masked text does not change again.
    expect(masking.text(masking.text(text))).toBe(masking.text(text))
  })

  test.each([
    'http://host:8080/path?email=a@b.c',
    'Basic authentication is needed',
    'tokens: expected a number',
    'db.password is required',
    'key: orders.yaml, revision=5',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
    'connect ECONNREFUSED ::1:5432',
    'a=b; c=d',
  ])('%j stays as it is', (text) => {
    expect(masking.text(text)).toBe(text)
  })

  test('custom patterns are masked too', () => {
    expect(createMasking({ contents: [/\d{16}/] }).text('card 1234567812345678, 1234567812345678.')).toBe(
      `card ${MASK}, ${MASK}.`,
    )
  })

  test('JSON stays JSON with any content', () => {
    const piece = fc.constantFrom(
      'password=',
      '"',
      '\\',
      '\n',
      ';',
      '&',
      '://a:',
      '@',
      'Bearer ',
      'token: ',
      "'",
      ' ',
      'x',
      '{"secret":',
      'PRIVATE KEY-----',
      '-----BEGIN ',
      '5',
      ',',
    )
    const text = fc.array(piece, { maxLength: 20 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(fc.oneof(text, fc.integer())), (values) => {
        expect(() => JSON.parse(masking.text(JSON.stringify(values)))).not.toThrow()
        expect(() => JSON.parse(masking.line(JSON.stringify(values)))).not.toThrow()
        expect(() => JSON.parse(masking.text(JSON.stringify(JSON.stringify(values))))).not.toThrow()
      }),
      { seed: 11, numRuns: 3_000 },
    )
  })

  test.each([
    '://a:',
    'password=',
    '"password":"',
    '-----BEGIN PRIVATE KEY-----',
    'bearer ',
    'password: ',
    'jdbc:oracle:thin:a/',
    'eyJaaaaaaaaaa.',
    '\\"token\\":\\"',
    'secret',
    ' ',
  ])('eight times the text takes about eight times as long: %j', (part) => {
    const shortest = (text: string): number =>
      Math.min(
        ...[1, 2, 3].map(() => {
          const startedAt = process.cpuUsage()
          masking.text(text)
          const { user, system } = process.cpuUsage(startedAt)
          return (user + system) / 1_000
        }),
      )
    const [small, large] = [2_000, 16_000].map((count) => shortest(`password ${part.repeat(count)}`)) as [number, number]
    expect(large).toBeLessThan(24 * Math.max(small, 4))
  })
})

describe('names and paths', () => {
  test.each([
    ['password', true],
    ['DB_PASSWORD', true],
    ['clientSecret', true],
    ['X-Api-Key', true],
    ['set-cookie', true],
    ['dsn', true],
    ['connectionString', true],
    ['privateKey', true],
    ['auth', true],
    ['pin', true],
    ['key', false],
    ['monkey', false],
    ['author', false],
    ['connection', false],
    ['authority', false],
    ['cookieName', false],
    ['iban', false],
    ['dbpassword', true],
    ['tokens_used', false],
    ['secretary', false],
  ])('the field %s is secret: %s', (name, isSecret) => {
    expect(masking.isSecretName(name)).toBe(isSecret)
  })

  test.each<[string, boolean]>([
    ['tls.key', true],
    ['credentials.a.0', true],
    ['db.auth', true],
    ['auth.0', true],
    ['auth.issuer', false],
    ['db.url', false],
    ['own.a', true],
    ['ownership', false],
    ['x.other', true],
    ['customerIBAN', true],
  ])('the path %s is secret: %s', (path, isSecret) => {
    const own = createMasking({ paths: ['own', /^x\.other$/g], names: ['iban'] })
    expect(own.isSecretPath(path.split('.'))).toBe(isSecret)
  })

  test('data is masked by path and content, and deep data is cut', () => {
    const data = { a: { password: 5, list: [`redis://:${word}@h`], none: null }, tls: { key: word }, on: true }
    expect(masking.value(data)).toEqual({
      a: { password: MASK, list: [`redis://:${MASK}@h`], none: null },
      tls: { key: MASK },
      on: true,
    })
    const circle: Record<string, unknown> = {}
    circle['again'] = circle
    expect(JSON.stringify(masking.value(circle))).toContain(MASK)
  })

  test.each([{ names: [''] }, { paths: [5] }, { contents: ['x'] }, { more: [] }])(
    'invalid options are rejected: %o',
    (options) => {
      expect(() => createMasking(options as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID' }))
    },
  )
})
