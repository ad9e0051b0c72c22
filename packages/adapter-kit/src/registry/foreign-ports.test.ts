import { expect, test } from 'vitest'
import { dubboPorts } from './dubbo-endpoints.ts'
import { kratosEndpoints, kratosPorts, kratosProtocol, readForeignPorts } from './foreign-ports.ts'

test('valid ports of other tools are read', () => {
  const listed = [
    ['web', 80],
    ['web', 81],
    ['Web', 80],
    ['', 80],
    [undefined, 80],
    ['none', undefined],
    ['zero', 0],
    ['big', 70_000],
    ['text', '81'],
  ] as const
  expect(readForeignPorts(listed)).toEqual({ web: 80, text: 81 })
  expect(readForeignPorts([])).toBeUndefined()
  expect(Object.keys(readForeignPorts(Array.from({ length: 50 }, (_, index) => [`p${index}`, 1] as const)) ?? {})).toHaveLength(
    32,
  )
})

test('endpoints of Kratos are ports by scheme', () => {
  expect(kratosPorts(['http://10.0.0.1:8000?isSecure=false', 'grpc://10.0.0.1:9000?isSecure=true', 'grpc://10.0.0.2:1'])).toEqual(
    {
      http: 8000,
      grpcs: 9000,
    },
  )
  expect(kratosPorts(['https://[::1]', 'http://[::1]', 'ws://[::1]', 'nonsense', 7, null])).toEqual({ https: 443, http: 80 })
  for (const endpoints of [[], ['nonsense'], [null]]) expect(kratosPorts(endpoints)).toBeUndefined()
})

test.each([
  ['http://10.0.0.1:80?isSecure=false', 'http'],
  ['http://10.0.0.1:80?isSecure=true', 'https'],
  ['grpc://10.0.0.1:80?isSecure=true', 'grpcs'],
  ['grpcs://10.0.0.1:80', 'grpcs'],
])('%s is %s', (url, protocol) => {
  expect(kratosProtocol(new URL(url))).toBe(protocol)
})

test('an instance survives as Kratos endpoints, except for names that are not schemes', () => {
  const ports = { grpc: 9_000, 'https-admin': 9_443, '9p': 564, http: 1 }
  const endpoints = kratosEndpoints({ protocol: 'http', address: '::1', port: 8_000, ports })
  expect([...endpoints]).toEqual([
    ['http', { url: 'http://[::1]:8000', port: 8_000 }],
    ['grpc', { url: 'grpc://[::1]:9000', port: 9_000 }],
    ['https-admin', { url: 'https-admin://[::1]:9443', port: 9_443 }],
  ])
  const urls = [...endpoints.values()].map(({ url }) => url)
  expect(kratosPorts(urls)).toEqual({ http: 8_000, grpc: 9_000, 'https-admin': 9_443 })
})

test.each([
  ['[{"port":20881,"protocol":"tri"},{"port":20880,"protocol":"dubbo"}]', { tri: 20_881, dubbo: 20_880 }],
  ['[null,{"protocol":"tri"},{"port":1}]', undefined],
  ['{"port":1}', undefined],
  ['not JSON', undefined],
  [undefined, undefined],
])('endpoints of Dubbo %s are ports by protocol', (text, expected) => {
  expect(dubboPorts(text)).toEqual(expected)
})
