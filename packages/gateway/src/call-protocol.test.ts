import { SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import type { CallProtocol, GatewayCall } from './protocol.ts'
import { fetchEcho, startFleet } from './testing/start-fleet.ts'

const forward = { service: 'orders' }
const headers = { 'content-type': 'application/rpc' }

/** A protocol that puts the code of an error into a field of a 200, and reads its options. */
function createRpc(call: GatewayCall = {}): CallProtocol {
  return {
    kind: 'call',
    name: 'rpc',
    recognises: (request) => request.header('content-type') === 'application/rpc',
    checkOptions(options, path) {
      if (options !== undefined && !('mode' in (options as object)))
        throw new SdError('SD_INVALID', 'bad', { field: `${path}.mode` })
    },
    begin: (exchange, options) => {
      exchange.setHeader('x-options', JSON.stringify(options ?? null))
      return {
        onReply: (reply, cause) => ({
          status: 200,
          headers: { 'x-code': cause?.error.code ?? '', 'x-status': String(reply.status) },
        }),
        ...call,
      }
    },
  }
}

const route = { name: 'rpc', match: { protocol: 'rpc', path: '/rpc/*' }, forward, options: { mode: 1 } }

describe('a protocol of calls', () => {
  test('gets its requests and the options of its routes, and no others', async () => {
    const fleet = startFleet()
    await fleet.serve('a')
    const routes = [route, { name: 'all', match: { path: '/all' }, forward }]
    const { url } = await fleet.gateway(routes, { protocols: [createRpc()] })
    expect((await fetchEcho(`${url}/rpc/a`, { headers })).echo.headers['x-options']).toBe('{"mode":1}')
    expect((await fetchEcho(`${url}/all`, { headers })).echo.headers['x-options']).toBe('null')
    expect((await fetchEcho(`${url}/all`)).echo.headers['x-options']).toBeUndefined()
    expect((await fetch(`${url}/rpc/a`)).status).toBe(404)
    await vi.waitFor(() => expect(fleet.outcomes).toHaveLength(4))
  })

  test('renders what the gateway responds', async () => {
    const fleet = startFleet()
    const { url } = await fleet.gateway([route], { protocols: [createRpc()] })
    const missing = await fetch(`${url}/rpc`, { headers })
    expect([missing.status, missing.headers.get('x-code'), missing.headers.get('x-status')]).toEqual([
      200,
      'SD_NO_INSTANCE',
      '503',
    ])
    const unrouted = await fetch(`${url}/nothing`, { headers })
    expect([unrouted.status, unrouted.headers.get('x-code'), unrouted.headers.get('x-status')]).toEqual([
      200,
      'SD_NOT_FOUND',
      '404',
    ])
  })

  test('sends the remaining time in its own field, and limits the call', async () => {
    const fleet = startFleet()
    await fleet.serve('a', { respond: (request, response) => response.end(String(request.headers['x-left'])) })
    const call = { timeoutMs: 60_000, deadlineFields: (remainingMs: number) => ['x-left', `${remainingMs}m`] }
    const { url } = await fleet.gateway([route], { protocols: [createRpc(call)] })
    const left = await (await fetch(`${url}/rpc`, { headers: { ...headers, 'x-left': '1' } })).text()
    expect(left).toMatch(/^\d+m$/)
    expect(Number.parseInt(left, 10)).toBeLessThanOrEqual(60_000)
    const { url: short } = await fleet.gateway([route], { protocols: [createRpc({ timeoutMs: 0 })] })
    expect((await fetch(`${short}/rpc`, { headers })).headers.get('x-status')).toBe('504')
  })

  test('responds instead of the service after it has read the body, and writes the response piece by piece', async () => {
    const pieces = ['one ', 'two ', 'three']
    const destroyed = vi.fn()
    const call: GatewayCall = {
      respond: () => ({
        maxBytes: 10,
        reply: (body) => ({
          status: 200,
          headers: { 'x-body': String(body ?? 'too long') },
          body: (output) => {
            setImmediate(() => {
              for (const piece of pieces) output.write(Buffer.from(piece))
              output.end()
            })
            return { destroy: destroyed }
          },
        }),
      }),
    }
    const { url } = await startFleet().gateway([route], { protocols: [createRpc({ ...call, onReply: (reply) => reply })] })
    for (const [body, expected] of [
      ['short', 'short'],
      ['longer than that', 'too long'],
    ]) {
      const response = await fetch(`${url}/rpc`, { method: 'POST', headers, body: body as string })
      expect([response.headers.get('x-body'), await response.text()]).toEqual([expected, 'one two three'])
    }
    const empty = await fetch(`${url}/rpc`, { headers })
    expect([empty.headers.get('x-body'), await empty.text()]).toEqual(['', 'one two three'])
    await vi.waitFor(() => expect(destroyed).toHaveBeenCalledTimes(3))
  })

  test('replaces responses that are not of its kind, and judges those that are', async () => {
    const fleet = startFleet()
    await fleet.serve('a', { respond: (_, response) => response.writeHead(418).end('teapot') })
    const judge = vi.fn(() => true)
    const call: GatewayCall = {
      judge,
      replace: (status) => ({ maxBytes: 100, reply: (body) => ({ status: 200, body: `${status} ${body}` }) }),
      onReply: (reply) => reply,
      onResponse: (response) => response.setHeader('x-seen', String(response.status)),
    }
    const { url } = await fleet.gateway([route], { protocols: [createRpc(call)] })
    const response = await fetch(`${url}/rpc`, { headers })
    expect([response.status, response.headers.get('x-seen'), await response.text()]).toEqual([200, '200', '418 teapot'])
    expect(judge).toHaveBeenCalledTimes(1)
  })

  test.each<[string, object, string]>([
    ['options that are not valid', { ...route, options: { other: 1 } }, 'routes[0].options.mode'],
    ['options without the protocol', { ...route, match: {} }, 'routes[0].options'],
  ])('%s are refused', async (_, bad, field) => {
    const refused = startFleet().gateway([bad as typeof route], { protocols: [createRpc()] })
    await expect(refused).rejects.toMatchObject({ code: 'SD_INVALID', field })
  })

  test.each<[string, object, string]>([
    ['an unknown kind', { kind: 'other' }, 'protocols[0].kind'],
    ['a reserved name', { name: 'http' }, 'protocols[0].name'],
    ['no recognition', { recognises: undefined }, 'protocols[0].recognises'],
  ])('%s is refused', async (_, change, field) => {
    const protocols = [{ ...createRpc(), ...change } as CallProtocol]
    await expect(startFleet().gateway([], { protocols })).rejects.toMatchObject({ code: 'SD_INVALID', field })
  })
})
