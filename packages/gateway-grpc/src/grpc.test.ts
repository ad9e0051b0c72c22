import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { createGrpc } from './grpc.ts'
import { contentTypeOf, kindOf } from './grpc-kind.ts'
import { encodeMessage } from './grpc-status-fields.ts'
import { formatTimeout, readTimeout } from './grpc-timeout.ts'
import { frame } from './health/health-messages.ts'
import { MessageCounter } from './message-counter.ts'
import { MethodNames } from './method-names.ts'
import { createStage } from './testing/stage.ts'

const request = (method: string, fields: Readonly<Record<string, string>>) => ({
  method,
  header: (name: string): string | undefined => fields[name],
})

test.each([
  ['application/grpc', 'native', 'application/grpc'],
  ['application/grpc+proto', 'native', 'application/grpc+proto'],
  ['Application/GRPC+json; charset=utf-8', 'native', 'application/grpc+json'],
  ['application/grpc-web', 'web', 'application/grpc-web+proto'],
  ['application/grpc-web+json', 'web', 'application/grpc-web+json'],
  ['application/grpc-web-text', 'web-text', 'application/grpc-web-text+proto'],
  ['application/grpc-text', undefined, ''],
  ['application/grpcx', undefined, ''],
  ['application/json', undefined, ''],
  ['text/application/grpc', undefined, ''],
])('the content type %s is %s', (type, framing, ofResponse) => {
  const kind = kindOf(request('POST', { 'content-type': type }))
  expect([kind?.framing, kind ? contentTypeOf(kind) : '']).toEqual([framing, ofResponse])
  expect(kindOf(request('GET', { 'content-type': type }))).toBeUndefined()
})

test.each([
  ['content-type,x-grpc-web', 'preflight'],
  ['X-Grpc-Web', 'preflight'],
  ['content-type', undefined],
  ['x-grpc-website', undefined],
])('a preflight for %s is %s', (wanted, framing) => {
  expect(kindOf(request('OPTIONS', { 'access-control-request-headers': wanted }))?.framing).toBe(framing)
})

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['99999999m', 99_999_999],
  ['1500u', 1.5],
  ['1n', 1e-6],
  ['0m', 0],
  ['123456789m', undefined],
  ['1', undefined],
  ['-1S', undefined],
  ['1s', undefined],
  ['', undefined],
])('the timeout %s is %s ms', (text, expected) => {
  expect(readTimeout(text)).toBe(expected)
})

test('a timeout is sent in at most eight digits', () => {
  expect([0, 1.9, 99_999_999, 100_000_000, 1e15].map(formatTimeout)).toEqual(['0m', '1m', '99999999m', '100000S', '99999999S'])
})

test('a message is sent in visible ASCII', () => {
  expect(encodeMessage('a b~%é\n')).toBe('a b~%25%C3%A9%0A')
})

test('a method has statistics of its own if a service has it, up to a number', () => {
  const names = new MethodNames(2)
  expect(names.nameOf('/a.A/One', 0, true)).toBe('/a.A/One')
  expect(names.nameOf('/a.A/Missing', 12, true)).toBe('other')
  expect(names.nameOf('/a.A/Unreached', 14, false)).toBe('other')
  expect(names.nameOf('/a.A/One/more', 0, true)).toBe('other')
  expect(names.nameOf('/a.A/Two', 5, true)).toBe('/a.A/Two')
  expect(names.nameOf('/a.A/Three', 0, true)).toBe('other')
  expect(names.nameOf('/a.A/One', 14, false)).toBe('/a.A/One')
})

test.each([1, 2, 3, 5, 7, 100])('messages are counted in chunks of %i bytes', (size) => {
  const body = Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(300, 1)), frame(Buffer.from([1, 2]))])
  const counter = new MessageCounter()
  for (let at = 0; at < body.length; at += size) counter.read(body.subarray(at, at + size))
  expect(counter.count).toBe(3)
})

describe('options', () => {
  test.each<[object, string]>([
    [{ unknown: 1 }, 'unknown'],
    [{ methods: -1 }, 'methods'],
    [{ watches: 1.5 }, 'watches'],
    [{ discovery: {} }, 'discovery.cluster'],
  ])('%j is refused', (options, field) => {
    expect(() => createGrpc(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test.each<[object, string]>([
    [{ other: 1 }, 'routes[0].options.other'],
    [{ web: 1 }, 'routes[0].options.web'],
    [{ health: 1 }, 'routes[0].options.health'],
    [{ health: { 'a b': 'carts' } }, 'routes[0].options.health.a b'],
    [{ health: { 'shop.Carts': '' } }, 'routes[0].options.health.shop.Carts'],
  ])('%j of a route is refused', async (options, field) => {
    const refused = createStage().gateway({ options: options as Record<string, unknown> })
    await expect(refused).rejects.toMatchObject({ code: 'SD_INVALID', field })
  })

  test('health without a discovery is refused', async () => {
    const refused = createStage().gateway({ options: { health: {} } }, { protocols: [createGrpc()] })
    await expect(refused).rejects.toThrow(SdError)
  })
})
