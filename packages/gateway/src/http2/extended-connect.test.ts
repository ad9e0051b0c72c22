import { once } from 'node:events'
import { connect } from 'node:http2'
import type { Duplex } from 'node:stream'
import { eventually } from '@sd/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  acceptOf,
  createPipeProtocol,
  openUpgrade,
  sampleKey,
  startUpgradeStage,
  type UpgradeVersion,
} from '../testing/upgrade-stage.ts'

const versions = ['http/1.1', 'h2'] as const
const pairs = versions.flatMap((client) => versions.map((service) => [client, service] as const))

async function echo(connection: Duplex, text: string): Promise<string> {
  let received = ''
  connection.on('data', (chunk) => {
    received += chunk
  })
  connection.write(text)
  await eventually(() => expect(received.length).toBeGreaterThanOrEqual(text.length), 10_000)
  return received
}

const switched = (version: UpgradeVersion): number => (version === 'h2' ? 200 : 101)

describe.each(pairs)('an upgrade from %s to %s', (from, to) => {
  test('has the fields of its version on each side, and carries bytes', async () => {
    const { port, service, gateway } = await startUpgradeStage(to)
    const { status, headers, connection } = await openUpgrade(from, port, { 'x-user': '7' })
    expect(status).toBe(switched(from))
    expect(headers['sec-websocket-protocol']).toBe('chat')
    expect(headers['sec-websocket-accept']).toBe(from === 'h2' ? undefined : acceptOf(sampleKey))
    expect(service.heads[0]).toMatchObject({ ':path': '/chat', 'x-user': '7', ':method': to === 'h2' ? 'CONNECT' : 'GET' })
    expect('sec-websocket-key' in (service.heads[0] as object)).toBe(to !== 'h2')
    const text = 'x'.repeat(300_000)
    expect(await echo(connection as Duplex, text)).toBe(text)
    expect(gateway.drainable.remaining()).toMatchObject({ requests: 0, upgraded: 1 })
    connection?.destroy()
    await eventually(() => expect(gateway.drainable.remaining().upgraded).toBe(0), 10_000)
    await eventually(() => expect(service.connections[0]?.destroyed).toBe(true), 10_000)
  })
})

test('a refused upgrade has status and body over HTTP/2 too, and its admission ends', async () => {
  const ended: number[] = []
  const protocol = createPipeProtocol({ admit: () => undefined, onEnd: (_, { status }) => void ended.push(status) })
  const { port } = await startUpgradeStage('http/1.1', { accept: () => undefined, protocols: [protocol] })
  for (const version of versions) {
    const { status, body } = await openUpgrade(version, port)
    expect([status, await body()]).toEqual([403, 'nope'])
  }
  await eventually(() => expect(ended).toEqual([403, 403]), 10_000)
})

test('an instance that has not understood the key is a bad gateway for a client without one', async () => {
  const { port, service } = await startUpgradeStage('http/1.1', { accept: () => 'cached' })
  expect((await openUpgrade('h2', port)).status).toBe(502)
  await eventually(() => expect(service.connections[0]?.destroyed).toBe(true), 10_000)
  expect((await openUpgrade('http/1.1', port)).status).toBe(101)
})

test.each(versions)('over %s the protocol may refuse a client before its service gets the request', async (version) => {
  const protocol = createPipeProtocol({ admit: () => ({ status: 403, body: 'origin' }) })
  const { port, service } = await startUpgradeStage('h2', { protocols: [protocol] })
  const { status, body } = await openUpgrade(version, port)
  expect([status, await body(), service.heads]).toEqual([403, 'origin', []])
})

test('an extended CONNECT to another protocol gets 501, and a plain CONNECT 405', async () => {
  const { port, service } = await startUpgradeStage('h2')
  expect((await openUpgrade('h2', port, { ':protocol': 'connect-udp' })).status).toBe(501)
  const session = connect(`http://127.0.0.1:${port}`)
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'shop:443' })
  const [head] = await once(stream, 'response')
  expect([head[':status'], service.heads]).toEqual([405, []])
})

test('without a protocol for it, HTTP/2 does not announce it', async () => {
  const { port } = await startUpgradeStage('h2', { protocols: [] })
  const session = connect(`http://127.0.0.1:${port}`)
  onTestFinished(() => session.destroy())
  await once(session, 'remoteSettings')
  expect(session.remoteSettings.enableConnectProtocol).not.toBe(true)
})

test('an extended CONNECT with a content-length is refused', async () => {
  const { port, service } = await startUpgradeStage('h2')
  expect([(await openUpgrade('h2', port, { 'content-length': '3' })).status, service.heads]).toEqual([400, []])
})

describe.each(versions)('over %s', (version) => {
  test('a drain asks upgraded connections to end, and cuts those that stay, with an error in their record', async () => {
    const { port, gateway, outcomes } = await startUpgradeStage(version)
    const { connection } = await openUpgrade(version, port)
    let received = ''
    connection?.on('data', (chunk) => {
      received += chunk
    })
    await gateway.close()
    expect(received).toBe('away')
    await eventually(() => expect(connection?.destroyed).toBe(true), 10_000)
    expect(outcomes).toMatchObject([{ status: 101, error: { code: 'SD_ABORTED', message: expect.stringContaining('drain') } }])
  })

  test('a drain ends with the last upgraded connection', async () => {
    const { port, gateway, outcomes } = await startUpgradeStage(version, { closeTimeoutMs: 20_000 })
    const { connection } = await openUpgrade(version, port)
    connection?.on('data', () => connection.destroy())
    await gateway.close()
    expect(outcomes.map(({ error }) => error)).toEqual([undefined])
  })

  test('a reload leaves connections of an unchanged route open, and those of a changed one for a time', async () => {
    const { port, gateway, table, outcomes } = await startUpgradeStage(version, { reloadDrainMs: 100 })
    const changed = await openUpgrade(version, port)
    const unchanged = await openUpgrade(version, port, {}, '/other')
    await eventually(() => expect(gateway.drainable.remaining().upgraded).toBe(2), 10_000)
    await gateway.configure(table({ timeouts: { headMs: 1_000 } }))
    changed.connection?.resume()
    await eventually(() => expect(outcomes).toMatchObject([{ error: { message: expect.stringContaining('changed') } }]), 10_000)
    await eventually(() => expect(changed.connection?.destroyed).toBe(true), 10_000)
    expect(await echo(unchanged.connection as Duplex, 'still here')).toBe('still here')
    expect(gateway.drainable.remaining().upgraded).toBe(1)
  })
})
