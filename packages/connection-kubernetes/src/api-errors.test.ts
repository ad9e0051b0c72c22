import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { EXPIRED, expired, LOGIN_REFUSED, toKubernetesError, toStatusError } from './api-errors.ts'

describe('errors of API responses', () => {
  test.each([
    [400, 'SD_INVALID', false],
    [401, LOGIN_REFUSED, false],
    [403, 'SD_DENIED', false],
    [404, 'SD_NOT_FOUND', false],
    [409, 'SD_CONFLICT', false],
    [413, 'SD_TOO_LARGE', false],
    [422, 'SD_INVALID', false],
    [429, 'SD_UNAVAILABLE', true],
    [500, 'SD_UNAVAILABLE', true],
    [504, 'SD_UNAVAILABLE', true],
  ])('%i is %s', (status, code, retryable) => {
    expect(toStatusError(status, '{"message":"because"}', 'GET /x')).toMatchObject({ code, retryable })
    expect(toStatusError(status, '<html>', 'GET /x').message).toMatch(/^GET \/x: /)
  })

  test('a long object is too large', () => {
    const body = { message: 'metadata.annotations: Too long', details: { causes: [{ reason: 'FieldValueTooLong' }] } }
    expect(toStatusError(422, JSON.stringify(body), 'x').code).toBe('SD_TOO_LARGE')
    expect(toStatusError(500, '{"message":"etcdserver: request is too large"}', 'x').code).toBe('SD_TOO_LARGE')
  })

  test('a long message is shortened, and an invalid one is omitted', () => {
    expect(toStatusError(403, JSON.stringify({ message: 'x'.repeat(9_000) }), 'y').message).toHaveLength(403)
    for (const text of ['null', '7', '{"message":7}']) expect(toStatusError(403, text, 'y').message).toBe('y: status 403')
  })

  test("a failure contains the connection's error, and nothing that may contain a secret", () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:6443'), { code: 'ECONNREFUSED' })
    expect(toKubernetesError(new TypeError('fetch failed', { cause: refused }), 'x')).toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: 'x: connect ECONNREFUSED 10.0.0.1:6443 (ECONNREFUSED)',
    })
    const empty = Object.assign(new Error(''), { code: 'ECONNRESET' })
    expect(toKubernetesError(empty, 'x').message).toBe('x: ECONNRESET')
    expect(toKubernetesError(new DOMException('x', 'TimeoutError'), 'x').message).toBe('x: no response in time')
    expect(toKubernetesError(new Error('exec plugin printed very-secret'), 'x').message).not.toContain('very-secret')
    expect(toKubernetesError(Object.assign(new Error('Forbidden'), { statusCode: 403 }), 'x').code).toBe('SD_DENIED')
    const known = new SdError('SD_TIMEOUT', 'late')
    expect(toKubernetesError(known, 'x')).toBe(known)
    expect(expired('x').code).toBe(EXPIRED)
  })
})
