import { describe, expect, test } from 'vitest'
import { createCorsFilter } from './index.ts'

const scope = { route: 'orders', path: 'routes[0].filters[0]' }
const create = (options: Readonly<Record<string, unknown>>) => createCorsFilter()(options, scope)

const refused: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
  [{}, 'origins'],
  [{ origins: [] }, 'origins'],
  [{ origins: 'https://a.example' }, 'origins'],
  [{ origins: ['*', 'https://a.example'] }, 'origins[0]'],
  [{ origins: ['https://a.example', '*'] }, 'origins[1]'],
  [{ origins: ['*'], credentials: true }, 'origins[0]'],
  ...[
    'https://a.example/',
    'https://a.example/path',
    'https://A.example',
    'https://a.example:443',
    'http://a.example:80',
    'a.example',
    '//a.example',
    'https://user@a.example',
    'https://a.example:99999',
    'https://*',
    'https://*.',
    'https://a.*.example',
    'https://*a.example',
    '*.example',
    'https://a.example,https://b.example',
    'NULL',
    '',
    7,
  ].map((origin) => [{ origins: [origin] }, 'origins[0]'] as const),
  [{ origins: ['*'], methods: ['put'] }, 'methods[0]'],
  [{ origins: ['*'], methods: ['P UT'] }, 'methods[0]'],
  [{ origins: ['*'], methods: 'PUT' }, 'methods'],
  [{ origins: ['null'], credentials: true, methods: ['*'] }, 'methods[0]'],
  [{ origins: ['*'], headers: ['x:y'] }, 'headers[0]'],
  [{ origins: ['null'], credentials: true, headers: ['x-a', '*'] }, 'headers[1]'],
  [{ origins: ['null'], credentials: true, exposedHeaders: ['*'] }, 'exposedHeaders[0]'],
  [{ origins: ['*'], maxAgeMs: -1 }, 'maxAgeMs'],
  [{ origins: ['*'], maxAge: 600 }, 'maxAge'],
  [{ origins: ['*'], credentials: 'yes' }, 'credentials'],
  [{ origins: ['*'], privateNetwork: 1 }, 'privateNetwork'],
]

describe('the options', () => {
  test.each(refused)('%j are refused for %s', (options, field) => {
    expect(() => create(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test.each([
    'https://a.example',
    'http://localhost:3000',
    'http://127.0.0.1:8080',
    'https://[::1]:8443',
    'https://xn--bcher-kva.example',
    'https://*.example.com:8443',
    'capacitor://localhost',
    'chrome-extension://abcdefghijklmnop',
    'null',
  ])('accept the origin %s', (origin) => {
    expect(() => create({ origins: [origin], credentials: true })).not.toThrow()
  })
})
