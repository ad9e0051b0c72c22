import { connect, type Socket } from 'node:net'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ListenerSpec } from './table/table.ts'
import { openCaller, openShop, portOf } from './testing/start-shop.ts'

let gateways = 0

/** A gateway whose service responds with the fields that it got. */
async function startEdge(settings: Partial<ListenerSpec>) {
  const shop = openShop()
  await shop.startInstance('echo', (request, response) => response.end(JSON.stringify(request.headers)))
  const name = `edge-${++gateways}`
  const tableOf = (changed: Partial<ListenerSpec>) => ({
    listeners: [{ name, address: '127.0.0.1:0', ...changed }],
    routes: [{ name: 'echo', forward: { service: 'echo' } }],
  })
  const refusals: TelemetryEvents['sd:v1:gateway:refused'][] = []
  onTestFinished(subscribeTelemetry('sd:v1:gateway:refused', (event) => void (event.listener === name && refusals.push(event))))
  const gateway = await shop.startGateway(tableOf(settings))
  const port = portOf(gateway, name)
  const caller = openCaller(1)
  return {
    port,
    reasons: () => refusals.map(({ reason }) => reason),
    refusals,
    async fields(headers: Record<string, string>): Promise<Record<string, string>> {
      return JSON.parse((await caller.get(port, '/', headers)).body)
    },
    configure: (changed: Partial<ListenerSpec>) => gateway.configure(tableOf(changed)),
  }
}

/** What the gateway sends until it closes the connection. */
function readAll(port: number, ...parts: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const client = connect({ port, host: '127.0.0.1', noDelay: true })
    client.setEncoding('latin1')
    client.on('data', (chunk: string) => {
      text += chunk
    })
    client.on('error', () => {})
    client.on('close', () => resolve(text))
    for (const part of parts) client.write(part)
  })
}

async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket
}

const get = 'GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n'

describe('forwarding fields', () => {
  const forged = { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil', 'x-request-id': 'r1' }

  test('of a client are replaced', async () => {
    const edge = await startEdge({ trustedProxies: ['10.0.0.0/8'] })
    expect(await edge.fields({ ...forged, host: 'shop', forwarded: 'for=6.6.6.6', 'x-real-ip': '6.6.6.6' })).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop',
      'x-request-id': expect.stringMatching(/^[\da-f]{32}$/),
    })
  })

  test('of a trusted proxy are continued, and what stands before the client is dropped', async () => {
    const edge = await startEdge({ trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] })
    const fields = await edge.fields({ ...forged, 'x-forwarded-for': '6.6.6.6, 203.0.113.7, 10.0.0.1' })
    expect(fields).toMatchObject({
      'x-forwarded-for': '203.0.113.7, 10.0.0.1, 127.0.0.1',
      'x-real-ip': '203.0.113.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil',
      'x-request-id': 'r1',
    })
    expect(fields).not.toHaveProperty('forwarded')
  })

  test('count by the table in effect, also on a kept connection', async () => {
    const edge = await startEdge({ trustedProxies: ['127.0.0.1'] })
    expect((await edge.fields(forged))['x-real-ip']).toBe('6.6.6.6')
    await edge.configure({ trustedProxies: [] })
    expect((await edge.fields(forged))['x-real-ip']).toBe('127.0.0.1')
    await edge.configure({ trustedProxies: ['127.0.0.1'], forwardingFields: 'forwarded' })
    expect((await edge.fields({ ...forged, forwarded: 'for=203.0.113.7' }))['x-real-ip']).toBe('203.0.113.7')
  })
})

describe('a listener that requires PROXY headers', () => {
  const line = 'PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n'

  test.each([
    ['version 1', [line], '203.0.113.7'],
    ['version 1 byte by byte', [...line], '203.0.113.7'],
    ['version 2', [Buffer.from('0d0a0d0a000d0a515549540a2111000ccb0071070a000001126701bb', 'hex')], '203.0.113.7'],
    ['LOCAL of version 2', [Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex')], '127.0.0.1'],
    ['UNKNOWN', ['PROXY UNKNOWN\r\n'], '127.0.0.1'],
  ])('takes the address from %s', async (_, header, address) => {
    const edge = await startEdge({ proxyProtocol: 'required', trustedProxies: ['127.0.0.1'] })
    expect(await readAll(edge.port, ...header, get)).toContain(`"x-real-ip":"${address}"`)
    expect(edge.reasons()).toEqual([])
  })

  test('does not trust the forwarding fields of the client behind it', async () => {
    const edge = await startEdge({ proxyProtocol: 'required', trustedProxies: ['127.0.0.1'] })
    const request = get.replace('host', 'x-forwarded-for: 6.6.6.6\r\nhost')
    expect(await readAll(edge.port, line, request)).toContain('"x-forwarded-for":"203.0.113.7"')
  })

  test.each([
    ['from an address that is not trusted', ['10.0.0.0/8'], line, 'untrusted-peer'],
    ['without a header', ['127.0.0.1'], get, 'proxy-header'],
    ['with a header that is not valid', ['127.0.0.1'], 'PROXY TCP4 1 2 3 4\r\n', 'proxy-header'],
    ['that never end their header', ['127.0.0.1'], 'PROXY TCP4', 'proxy-header'],
  ])('refuses connections %s', async (_, trustedProxies, sent, reason) => {
    const edge = await startEdge({ proxyProtocol: 'required', trustedProxies, timeouts: { handshakeMs: 300 } })
    expect(await readAll(edge.port, sent)).toBe('')
    await expect.poll(edge.reasons).toEqual([reason])
  })
})

test('a listener without PROXY headers treats one as a request that is not valid', async () => {
  const edge = await startEdge({ trustedProxies: ['127.0.0.1'] })
  expect(await readAll(edge.port, `PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n${get}`)).toMatch(/^(?:HTTP\/1\.1 400|$)/)
})

describe('connections over a limit are closed at once', () => {
  test('in total, and others take their place later', async () => {
    const edge = await startEdge({ limits: { connections: 2 } })
    const [first] = [await openSocket(edge.port), await openSocket(edge.port)]
    expect(await readAll(edge.port, get)).toBe('')
    expect(edge.refusals).toMatchObject([{ reason: 'connections', remoteAddress: '127.0.0.1' }])
    first.destroy()
    await expect.poll(() => readAll(edge.port, get)).toContain('200 OK')
  })

  test('from one address, which is that of the PROXY header', async () => {
    const edge = await startEdge({
      proxyProtocol: 'required',
      trustedProxies: ['127.0.0.1'],
      limits: { connectionsPerAddress: 1 },
    })
    const lineOf = (address: string) => `PROXY TCP4 ${address} 10.0.0.1 4711 443\r\n`
    const held = await openSocket(edge.port)
    held.write(`${lineOf('203.0.113.7')}${get.replace('close', 'keep-alive')}`)
    await new Promise((resolve) => held.once('data', resolve))
    expect(await readAll(edge.port, lineOf('203.0.113.7'), get)).toBe('')
    expect(await readAll(edge.port, lineOf('203.0.113.8'), get)).toContain('200 OK')
    expect(edge.refusals).toMatchObject([{ reason: 'connections-per-address', remoteAddress: '203.0.113.7' }])
  })

  test('but not from a trusted proxy, which brings many clients', async () => {
    const edge = await startEdge({ trustedProxies: ['127.0.0.1'], limits: { connectionsPerAddress: 1 } })
    await openSocket(edge.port)
    expect(await readAll(edge.port, get)).toContain('200 OK')
  })
})
