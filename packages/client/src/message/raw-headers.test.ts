import { expect, test } from 'vitest'
import { RawHeaders } from './raw-headers.ts'

const given = (line: string): string[] => (line === '' ? [] : line.split(' | ').flatMap((field) => field.split(/: ?/)))

test.each([
  ['keep their order, case and repetition', 'X-B: 1 | x-a: 2 | X-B: 3', 'X-B: 1 | x-a: 2 | X-B: 3'],
  [
    'lose those of one connection',
    'Connection: close | Keep-Alive: 5 | Transfer-Encoding: chunked | Upgrade: h2c | x-a: 1',
    'x-a: 1',
  ],
  ['lose those that connection lists', 'connection: X-Hop, close | x-hop: 1 | X-A: 2 | CONNECTION:  y | Y: 3', 'X-A: 2'],
  [
    'keep those for the service, even if connection lists them',
    'connection: authorization, cookie, host | Authorization: a | cookie: b | Host: c',
    'Authorization: a | cookie: b | Host: c',
  ],
  ['lose trailer', 'Trailer: x-sum | x-a: 1', 'x-a: 1'],
  ['keep te only as trailers', 'te: gzip | TE: Trailers', 'TE: Trailers'],
  [
    'have their cookies in one field, at the first place',
    'Cookie: a=1 | x-a: 1 | cookie: b=2 | COOKIE: c=3',
    'Cookie: a=1; b=2; c=3 | x-a: 1',
  ],
  ['may have one length and one host', 'Host: a | Content-Length: 1', 'Host: a | Content-Length: 1'],
])('header fields %s', (_, before, after) => {
  const list = given(before)
  expect(RawHeaders.copy(list, {}).list).toEqual(given(after))
  expect(list).toEqual(given(before))
})

test.each([
  ['content-length', 'content-length: 1 | x-a: 1 | Content-Length: 1'],
  ['host', 'Host: a | HOST: b'],
])('a second %s is refused: servers disagree about which one applies', (name, line) => {
  expect(() => RawHeaders.copy(given(line), {})).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field: `rawHeaders.${name}`, origin: 'caller' }),
  )
})

test('a name without a value is refused', () => {
  expect(() => RawHeaders.copy(['a', 'b', 'c'], {})).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field: 'rawHeaders', origin: 'caller' }),
  )
})

test('a default of the service is added if the request has no such field', () => {
  expect(RawHeaders.copy(given('X-App: own'), { 'x-app': 'shop', 'x-user': 'ann' }).list).toEqual(
    given('X-App: own | x-user: ann'),
  )
})

test('the record has lower names and joins repeated fields', () => {
  const headers = RawHeaders.copy(given('X-A: 1 | x-b: 2 | x-a: 3'), {})
  expect(headers.record).toEqual({ 'x-a': '1, 3', 'x-b': '2' })
  expect(headers.record).toBe(headers.record)
})

test('changes apply to the list: changed and removed fields are replaced, all others stay as received', () => {
  const headers = RawHeaders.copy(given('X-A: 1 | X-B: 2 | X-A: 3 | X-C: 4'), {})
  expect(headers.withChanges(undefined, undefined)).toBe(headers.list)
  expect(headers.withChanges({ ...headers.record }, undefined)).toEqual(headers.list)
  const { 'x-b': _, ...others } = headers.record
  expect(headers.withChanges({ ...others, 'x-a': '5', 'x-d': '6' }, undefined)).toEqual(given('X-C: 4 | x-a: 5 | x-d: 6'))
})

test('the remaining time replaces one that was received', () => {
  const deadline = ['x-request-timeout-ms', '250']
  const headers = RawHeaders.copy(given('X-Request-Timeout-Ms: 9000 | x-a: 1'), {})
  expect(headers.withChanges(undefined, deadline)).toEqual(given('x-a: 1 | x-request-timeout-ms: 250'))
  expect(headers.withChanges({ ...headers.record, 'x-request-timeout-ms': '7' }, deadline)).toEqual(
    given('x-a: 1 | x-request-timeout-ms: 250'),
  )
  expect(RawHeaders.copy(given('x-a: 1'), {}).withChanges(undefined, ['x-request-timeout-ms', '0'])).toEqual(
    given('x-a: 1 | x-request-timeout-ms: 0'),
  )
})
