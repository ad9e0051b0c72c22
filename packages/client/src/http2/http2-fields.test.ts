import { describe, expect, test } from 'vitest'
import type { TransportRequest } from '../transport/transport.ts'
import { fieldsOf, headersOf, lengthOf, toFields, withoutPseudo } from './http2-fields.ts'

const target = { scheme: 'http', authority: '10.0.0.1:80' }
const get: TransportRequest = { method: 'GET', path: '/a', headers: {}, body: null }
const pseudo = [':method', 'GET', ':scheme', 'http', ':authority', '10.0.0.1:80', ':path', '/a']

describe('the fields of a request', () => {
  test('begin with those of HTTP/2', () => {
    expect(headersOf(target, { ...get, headers: { 'x-a': '1' } })).toEqual([...pseudo, 'x-a', '1'])
  })

  test('have lower names, in the order and repetition of a raw list', () => {
    const rawHeaders = ['X-B', '1', 'x-a', '2', 'x-b', '3']
    expect(headersOf(target, { ...get, headers: { ignored: '1' }, rawHeaders })).toEqual([
      ...pseudo,
      'x-b',
      '1',
      'x-a',
      '2',
      'x-b',
      '3',
    ])
  })

  test.each(['Connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'HTTP2-Settings'])(
    'have no %s, which HTTP/2 forbids',
    (name) => {
      expect(headersOf(target, { ...get, rawHeaders: [name, 'x', 'x-a', '1'] })).toEqual([...pseudo, 'x-a', '1'])
      expect(headersOf(target, { ...get, headers: { [name.toLowerCase()]: 'x' } })).toEqual(pseudo)
    },
  )

  test('have te only as trailers', () => {
    expect(headersOf(target, { ...get, headers: { te: 'gzip' } })).toEqual(pseudo)
    expect(headersOf(target, { ...get, headers: { te: 'trailers' } })).toEqual([...pseudo, 'te', 'trailers'])
  })

  test('have the host as the authority', () => {
    const expected = pseudo.with(5, 'shop.example')
    expect(headersOf(target, { ...get, headers: { host: 'shop.example' } })).toEqual(expected)
    expect(headersOf(target, { ...get, rawHeaders: ['Host', 'shop.example'] })).toEqual(expected)
  })

  test.each([
    ['text, in bytes', 'ä', '2'],
    ['bytes', new Uint8Array(3), '3'],
    ['empty text', '', '0'],
  ])('have the length of a body of %s, unless it is given', (_, body, length) => {
    const post = { ...get, method: 'POST', body }
    const expected = pseudo.with(1, 'POST')
    expect(headersOf(target, post)).toEqual([...expected, 'content-length', length])
    for (const given of [{ headers: { 'content-length': length } }, { rawHeaders: ['content-length', length] }])
      expect(headersOf(target, { ...post, ...given })).toEqual([...expected, 'content-length', length])
  })

  test('have no length for a body that is pushed or absent', () => {
    expect(headersOf(target, { ...get, pushed: true })).toEqual(pseudo)
  })

  test.each([
    ['headers', { headers: { 'x-a': 'SECRET\r\nb: c' } }],
    ['rawHeaders', { rawHeaders: ['x-a', 'SECRET\n'] }],
  ])('are refused with a line break in %s, which is not quoted', (path, fields) => {
    const read = () => headersOf(target, { ...get, ...fields })
    expect(read).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: `${path}.x-a` }))
    expect(read).not.toThrow(/SECRET/)
  })
})

test('the content-length of a request is read from either form', () => {
  expect(lengthOf(get)).toBeNaN()
  expect(lengthOf({ ...get, rawHeaders: ['x-a', 'content-length'] })).toBeNaN()
  expect(lengthOf({ ...get, headers: { 'content-length': '5' } })).toBe(5)
  expect(lengthOf({ ...get, headers: { 'content-length': '5' }, rawHeaders: ['x-a', '1', 'Content-Length', '7'] })).toBe(7)
})

describe('the fields of a response', () => {
  test('are those of the raw list, without the status', () => {
    expect(fieldsOf({}, [':status', '200', 'x-a', '1', 'x-b', '2'])).toEqual({ 'x-a': '1', 'x-b': '2' })
    expect(fieldsOf({}, ['x-sum', '7'])).toEqual({ 'x-sum': '7' })
    expect(withoutPseudo([':status', '200', 'x-a', '1'])).toEqual(['x-a', '1'])
    expect(withoutPseudo(['x-a', '1'])).toEqual(['x-a', '1'])
  })

  test.each([
    ['a name is repeated', ['x-a', '1', 'x-a', '2']],
    ['there are cookies', ['set-cookie', 'a=1']],
    ['there is no raw list', undefined],
  ])('are those of the library if %s', (_, raw) => {
    const fields = JSON.parse('{":status":"200","x-a":"1, 2","set-cookie":["a=1"],"__proto__":"x"}') as Parameters<
      typeof fieldsOf
    >[0]
    expect(fieldsOf(fields, raw)).toEqual({ 'x-a': '1, 2', 'set-cookie': ['a=1'] })
  })

  test('have no raw form if the library has none', () => {
    expect(withoutPseudo(undefined)).toEqual([])
  })
})

test('trailers for the library have repeated fields as lists, whatever their names', () => {
  const fields = toFields(['x-a', '1', 'x-b', '2', 'x-a', '3', 'x-a', '4', 'constructor', '5', '__proto__', '6', 'tostring', '7'])
  expect(Object.entries(fields)).toEqual([
    ['x-a', ['1', '3', '4']],
    ['x-b', '2'],
    ['constructor', '5'],
    ['__proto__', '6'],
    ['tostring', '7'],
  ])
})
