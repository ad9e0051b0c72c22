import { SdError } from '@sd/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkProvided, resolveProvided } from './provided.ts'
import { checkCredentials, checkSecret, checkServerAddresses, checkServers, serverUrl } from './server-options.ts'

const pem = '-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----'

describe('checkServerAddresses', () => {
  test.each([
    ['10.0.0.1:2379', { secure: false, host: '10.0.0.1', port: 2379 }, 'http://10.0.0.1:2379'],
    ['etcd', { secure: false, host: 'etcd', port: 99 }, 'http://etcd:99'],
    ['http://etcd_1.example/', { secure: false, host: 'etcd_1.example', port: 99 }, 'http://etcd_1.example:99'],
    ['HTTPS://Etcd.example:1', { secure: true, host: 'Etcd.example', port: 1 }, 'https://Etcd.example:1'],
    ['https://[::1]:65535', { secure: true, host: '::1', port: 65_535 }, 'https://[::1]:65535'],
    ['[fe80::1]', { secure: false, host: 'fe80::1', port: 99 }, 'http://[fe80::1]:99'],
  ])('reads %s', (endpoint, expected, url) => {
    expect(checkServerAddresses('servers', [endpoint], 99)).toEqual([expected])
    expect(serverUrl(expected)).toBe(url)
  })

  test.each(['', 'a b', 'a:0', 'a:65536', 'a:x', '::1', 'ftp://a', 'http://a/path', '-a', 7, null, { host: 'a' }, ['a']])(
    'rejects %j',
    (endpoint) => {
      expect(() => checkServerAddresses('servers', ['a', endpoint], 99)).toThrow(
        expect.objectContaining({ code: 'SD_INVALID', field: 'servers[1]' }),
      )
    },
  )

  test.each([[[]], [undefined], ['a:1'], [Array.from({ length: 65 }, () => 'a')]])('rejects a list that is %j', (list) => {
    expect(() => checkServerAddresses('servers', list, 99)).toThrow(expect.objectContaining({ field: 'servers' }))
  })

  test('does not show a password', () => {
    expect(() => checkServerAddresses('servers', ['http://me:hunter2@etcd:1'], 99)).toThrow(
      String.raw`Invalid servers[0]: got "a string with \"@\"", want host:port or http(s)://host:port, without credentials`,
    )
  })

  test('accepts or rejects any text, and accepts the URL of an accepted server', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.webUrl(),
      fc.tuple(fc.domain(), fc.nat()).map(([host, port]) => `${host}:${port}`),
    )
    fc.assert(
      fc.property(texts, (endpoint) => {
        try {
          const servers = checkServerAddresses('servers', [endpoint], 99)
          expect(checkServerAddresses('servers', servers.map(serverUrl), 1)).toEqual(servers)
        } catch (error) {
          expect(error instanceof SdError && error.code).toBe('SD_INVALID')
        }
      }),
    )
  })
})

test('a provided value is checked at once, and a function is called at every use', async () => {
  const check = (value: unknown): string => checkSecret('token', value)
  expect(await resolveProvided(checkProvided('abc', check))).toBe('abc')
  expect(() => checkProvided('' as string, check)).toThrow('Invalid token')
  let count = 0
  const provided = checkProvided(() => `token-${++count}`, check)
  expect([await resolveProvided(provided), await resolveProvided(provided)]).toEqual(['token-1', 'token-2'])
  expect(await resolveProvided(async () => 'later')).toBe('later')
})

describe('secrets', () => {
  test('are returned unchanged if valid', () => {
    const credentials = { username: 'me', password: 'hunter2' }
    expect(checkCredentials('credentials', credentials)).toBe(credentials)
  })

  test.each<[string, () => unknown]>([
    ['Invalid credentials: got undefined, want an object', () => checkCredentials('credentials', undefined)],
    [
      'Invalid credentials.user: unknown field, want one of username, password',
      () => checkCredentials('credentials', { user: 'hunter2' }),
    ],
    [
      'Invalid credentials.username: got "0 characters", want 1 to 4096 characters',
      () => checkCredentials('credentials', { username: '', password: 'hunter2' }),
    ],
    [
      'Invalid credentials.password: got "object", want 1 to 4096 characters',
      () => checkCredentials('credentials', { username: 'me', password: ['hunter2'] }),
    ],
    ['Invalid token: got "4200 characters", want 1 to 4096 characters', () => checkSecret('token', 'hunter2'.repeat(600))],
    ['Invalid credentials: got "a string", want an object', () => checkCredentials('credentials', 'me:hunter2')],
  ])('%s', (message, run) => {
    expect(run).toThrow(expect.objectContaining({ code: 'SD_INVALID', message }))
  })
})

describe('checkServers', () => {
  const fallback = { host: '127.0.0.1', port: 99 }

  test('accepts servers and certificates, and has a default server', () => {
    expect(checkServers({}, fallback)).toEqual({ servers: [{ secure: false, host: '127.0.0.1', port: 99 }], tls: undefined })
    const tls = { ca: pem }
    expect(checkServers({ servers: ['https://a'], tls }, fallback)).toEqual({
      servers: [{ secure: true, host: 'a', port: 99 }],
      tls,
    })
  })

  test.each([
    ['servers', { servers: ['http://a', 'https://b'] }],
    ['servers', { servers: ['http://a'], tls: {} }],
    ['tls.ca', { servers: ['https://a'], tls: { ca: 'x' } }],
  ])('rejects invalid %s', (field, options) => {
    expect(() => checkServers(options, fallback)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })
})
