import { expect, test } from 'vitest'
import { readConfigText } from './index.ts'

test.each([
  ['by its key', 'db: { port: 1 }', { key: 'app.yaml' }, { db: { port: 1 } }],
  ['by the format, which wins', '{"a":1}', { key: 'app.yaml', format: 'json' }, { a: 1 }],
  ['as untyped values at their paths', 'db.port=1\n', { key: 'app.properties' }, { db: { port: '1' } }],
  ['as one value at the path of its key', 'x\n', { key: 'db/host' }, { db: { host: 'x' } }],
  ['without decryption and placeholders', `a: ENC[x]\nb: \${a}`, { key: 'app.yaml' }, { a: 'ENC[x]', b: `\${a}` }],
] as const)('a text is read %s', (_, content, options, expected) => {
  expect(readConfigText(content, options)).toEqual(expected)
})

test('a text that can not be parsed is reported with key and line, and not quoted', () => {
  const read = () => readConfigText('a: 1\nb: [s3cret\n', { key: 'app.yaml' })
  expect(read).toThrow(expect.objectContaining({ code: 'SD_MALFORMED', message: expect.stringMatching(/^app\.yaml:\d+ /) }))
  expect(read).not.toThrow(/s3cret/)
})

test('an unknown format is refused', () => {
  expect(() => readConfigText('', { key: 'a', format: 'xml' as never })).toThrow('Invalid format')
})
