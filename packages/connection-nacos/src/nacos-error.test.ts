import { expect, test } from 'vitest'
import { readError } from './nacos-error.ts'

test.each([
  [200, '', undefined],
  [400, "Param 'Metadata' is illegal, the param length should not exceed 1024.", 'SD_TOO_LARGE'],
  [400, 'weight error', 'SD_INVALID'],
  [401, '', 'SD_DENIED'],
  [403, '', 'SD_DENIED'],
  [404, '', 'SD_UNSUPPORTED'],
  [410, 'Gone', 'SD_UNSUPPORTED'],
  [413, '', 'SD_TOO_LARGE'],
  [431, '', 'SD_TOO_LARGE'],
  [500, 'x'.repeat(9_999), 'SD_UNAVAILABLE'],
  [503, 'server is STARTING now', 'SD_UNAVAILABLE'],
])('status %s with "%s" is %s', (status, text, code) => {
  const error = readError('nacos', { status, text })
  expect(error?.code).toBe(code)
  expect(error?.message.length ?? 0).toBeLessThan(400)
})

test.each([
  [400, `{"code":10000,"message":"parameter missing","data":"Required parameter 'dataId' type String is not present"}`],
  [500, 'caused: Required request parameter &#39;dataId&#39; for method parameter type String is not present;'],
])('status %s for missing parameters is a form that was dropped', (status, text) => {
  expect(readError('nacos', { status, text }, { dataId: 'orders' })?.code).toBe('SD_TOO_LARGE')
  expect(readError('nacos', { status, text })?.code).not.toBe('SD_TOO_LARGE')
})

test('a refusal names the missing permission and the namespace, and an overloaded server returns a retry delay', () => {
  const refused = readError('nacos', { status: 403, text: 'Forbidden' }, { namespaceId: 'team-a', dataId: 'x' })
  expect(refused?.message).toBe(
    'nacos responded 403: Forbidden (set credentials of a user with a role that has the permission rw on the namespace "team-a")',
  )
  expect(readError('nacos', { status: 403, text: '' }, { tenant: '' })?.message).toContain('namespace "public"')
  expect(readError('nacos', { status: 401, text: '' })?.message).toContain('check credentials')
  const busy = readError('nacos', { status: 429, text: '', headers: { 'retry-after': '7' } })
  expect(busy).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true, retryAfterMs: 7_000 })
})
