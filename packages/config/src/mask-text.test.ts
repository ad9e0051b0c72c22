import { createMasking, MASK } from '@sd/core'
import { expect, test } from 'vitest'
import { createConfigLineMask, maskConfigEntry } from './index.ts'

test.each([
  ['yaml', 'db:\n  url: postgres://h/x\n  password: tiger\n', 'db:\n  url: postgres://h/x\n  password: ***\n'],
  ['json', '{\n  "password": "tiger",\n  "size": 5\n}', '{\n  "password": ***\n  "size": 5\n}'],
  ['toml', '[db]\ntoken = "tiger"\nsize = 5\n', '[db]\ntoken = ***\nsize = 5\n'],
  ['properties', 'db.password=tiger\ndb.size=5', 'db.password=***\ndb.size=5'],
  ['env', 'export DB_PASSWORD=tiger\nSIZE=5', 'export DB_PASSWORD=***\nSIZE=5'],
] as const)('secrets of %s are masked where they are, and nothing else', (format, content, masked) => {
  expect(maskConfigEntry({ key: `orders.${format}`, content, format })).toBe(masked)
})

test.each([
  ['a block of several lines', 'password: |\n  tiger one\n  tiger two\nsize: 5\n', 'yaml'],
  ['a secret that another value repeats', 'password: tiger\nurl: http://h/?x=tiger\n', 'yaml'],
  ['a list below a secret name', 'secrets:\n  - tiger\n', 'yaml'],
  ['a flow mapping', 'db: { password: tiger, size: 5 }\n', 'yaml'],
  ['a text that can not be parsed', 'password: tiger\n  x: [\n', 'yaml'],
  ['a private key', 'pem: |\n  -----BEGIN PRIVATE KEY-----\n  tiger\n  -----END PRIVATE KEY-----\n', 'yaml'],
] as const)('%s is masked', (_, content, format) => {
  expect(maskConfigEntry({ key: 'orders.yaml', content, format })).not.toContain('tiger')
})

test('an entry that is secret as a whole, by its key or its source, shows nothing', () => {
  expect(maskConfigEntry({ key: 'orders.yaml', content: 'a: tiger', format: 'yaml', isSecret: true })).toBe(MASK)
  expect(maskConfigEntry({ key: 'db/password', content: 'tiger', format: 'text' })).toBe(MASK)
})

test('secrets of your own, and a parser of your own', () => {
  const masking = createMasking({ paths: ['customer.iban'] })
  const content = 'customer:\n  iban: DE89\n'
  expect(maskConfigEntry({ key: 'a.yaml', content, format: 'yaml' })).toBe(content)
  expect(maskConfigEntry({ key: 'a.yaml', content, format: 'yaml' }, masking)).toBe('customer:\n  iban: ***\n')
  const mask = createConfigLineMask(['x'], { key: 'a', masking, parse: () => ({ customer: { iban: 'DE89' } }) })
  expect(mask('the account DE89')).toBe('the account ***')
})
