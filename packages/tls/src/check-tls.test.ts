import { describe, expect, test } from 'vitest'
import { checkTls } from './tls-options.ts'

const pem = '-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----'

describe('checkTls', () => {
  test('returns valid options', () => {
    const tls = { ca: pem, cert: pem, key: pem, serverName: 'etcd.example' }
    expect(checkTls('tls', tls)).toBe(tls)
    expect(checkTls('tls', {})).toEqual({})
  })

  test.each<[string, () => unknown]>([
    ['Invalid tls: got "a string", want an object', () => checkTls('tls', 'hunter2')],
    ['Invalid tls.pfx: unknown field, want one of ca, cert, key, serverName', () => checkTls('tls', { pfx: 'hunter2' })],
    ['Invalid tls.ca.0: unknown field, want one of file', () => checkTls('tls', { ca: ['hunter2'] })],
    ['Invalid tls.ca.file: got 7, want a string of at most 4096 characters', () => checkTls('tls', { ca: { file: 7 } })],
    ['Invalid tls: got "one of cert and key", want both or none', () => checkTls('tls', { key: `${pem}hunter2` })],
    ['Invalid tls.serverName: got 7, want a string of at most 253 characters', () => checkTls('tls', { serverName: 7 })],
    [
      'Invalid tls.key: got "a value of type string", want PEM text with "-----BEGIN", a function that returns it, or { file }',
      () => checkTls('tls', { key: 'hunter2' }),
    ],
  ])('%s', (message, run) => {
    expect(run).toThrow(expect.objectContaining({ code: 'SD_INVALID', message }))
  })
})
