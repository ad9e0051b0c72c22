import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Origins } from './origins.ts'
import { startStage } from './testing/stage.ts'
import { createWebSocket } from './websocket.ts'

/** Status and body of a refused upgrade. */
function refusalOf(port: number, headers: Record<string, string> = {}): Promise<readonly [number, string, string | undefined]> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers })
    socket.on('open', () => reject(new Error('It was accepted')))
    socket.on('error', () => {})
    socket.on('unexpected-response', (_, response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () =>
        resolve([response.statusCode ?? 0, body, response.headers['x-gateway-error'] as string | undefined]),
      )
    })
  })
}

test.each(['listener', 'service', 'client'] as const)(
  'more open sockets of a %s than its limit get 503, until one closes',
  async (key) => {
    const stage = await startStage({ protocol: { limits: { [key]: 2 } } })
    const sockets = [await stage.dial(), await stage.dial()]
    const [status, , code] = await refusalOf(stage.port)
    expect([status, code]).toEqual([503, 'SD_REJECTED'])
    sockets[0]?.close()
    await eventually(async () => expect((await stage.dial()).readyState).toBe(WebSocket.OPEN), 20_000).catch(() => undefined)
    await eventually(() => expect(stage.gateway.drainable.remaining().upgraded).toBe(2), 20_000)
  },
)

test('a refused upgrade has status and body of the service, and does not count', async () => {
  const stage = await startStage({
    protocol: { limits: { client: 1 } },
    refusal: 'HTTP/1.1 401 No\r\ncontent-length: 3\r\n\r\nwho',
  })
  for (let at = 0; at < 3; at++) expect((await refusalOf(stage.port)).slice(0, 2)).toEqual([401, 'who'])
})

test('an origin that is not allowed gets 403 before the service is asked; requests without one pass', async () => {
  const stage = await startStage({ options: { origins: ['https://shop.example', 'https://*.shop.example'] } })
  expect((await refusalOf(stage.port, { origin: 'https://evil.example' }))[0]).toBe(403)
  expect(stage.requests.length).toBe(0)
  await stage.dial({ origin: 'https://eu.shop.example' })
  await stage.dial()
  expect(stage.requests.length).toBe(2)
})

test.each([
  ['https://shop.example', true],
  ['HTTPS://Shop.Example', true],
  ['https://a.b.shop.example', true],
  ['http://shop.example', false],
  ['https://shop.example:444', false],
  ['https://shop.example.evil', false],
  ['https://evilshop.example', false],
  ['https://evil/.shop.example', false],
  ['null', false],
  ['', false],
])('of shop.example and its subdomains: %s → %s', (origin, isAllowed) => {
  expect(new Origins(['https://shop.example', 'https://*.shop.example'], 'origins').has(origin)).toBe(isAllowed)
})

describe('options that are not valid name their path', () => {
  test.each<[object, string]>([
    [{ idleMs: -1 }, 'idleMs'],
    [{ pingMs: '1s' }, 'pingMs'],
    [{ closeTimeoutMs: 0 }, 'closeTimeoutMs'],
    [{ maxMessageBytes: 1.5 }, 'maxMessageBytes'],
    [{ origins: [] }, 'origins'],
    [{ origins: ['shop.example'] }, 'origins[0]'],
    [{ origins: ['https://shop.example/path'] }, 'origins[0]'],
    [{ pings: 1 }, 'pings'],
  ])('%j of a route', (options, path) => {
    const check = (): void => createWebSocket().checkOptions?.(options, 'routes[0].options')
    expect(check).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', message: expect.stringContaining(`routes[0].options.${path}`) }),
    )
  })

  test.each<[object, string]>([
    [{ limit: 1 }, 'limit'],
    [{ limits: { client: 0 } }, 'limits.client'],
    [{ limits: { route: 1 } }, 'limits.route'],
  ])('%j of the protocol', (options, path) => {
    expect(() => createWebSocket(options)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', message: expect.stringContaining(path) }),
    )
  })
})
