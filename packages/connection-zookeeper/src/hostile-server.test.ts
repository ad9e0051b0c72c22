import type { Socket } from 'node:net'
import { SdError } from '@sd/core'
import { eventually, within } from '@sd/testing'
import { afterEach, describe, expect, test } from 'vitest'
import {
  createZooKeeperConnection,
  resolveZooKeeperConnectionOptions,
  type ZooKeeperConnection,
  type ZooKeeperConnectionOptions,
} from './index.ts'
import { type FakeServer, frameOf, grantSession, responseFrame, startFakeServer, xidOf } from './testing/fake-server.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(onData: Parameters<typeof startFakeServer>[0]): Promise<FakeServer> {
  const server = await startFakeServer(onData)
  cleanups.push(() => server.close())
  return server
}

function open({ port }: FakeServer, options: ZooKeeperConnectionOptions = {}): ZooKeeperConnection {
  const wanted = { servers: [`127.0.0.1:${port}`], operationTimeoutMs: 1_000, ...options }
  const session = createZooKeeperConnection({ settings: resolveZooKeeperConnectionOptions(wanted, 'zookeeper') })
  cleanups.push(() => within(session.close(), 3_000, 'close()'))
  return session
}

function ping(session: ZooKeeperConnection): Promise<unknown> {
  return session.run((connection) => connection.exists('/'))
}

/** Grants every session, and responds to requests as the test defines. */
function startGranting(onRequest: (socket: Socket, request: Buffer) => void, timeoutMs: number = 10_000): Promise<FakeServer> {
  return start((socket, chunk, isFirst) => (isFirst ? socket.write(grantSession(timeoutMs)) : onRequest(socket, chunk)))
}

async function codeOfPing(session: ZooKeeperConnection): Promise<string> {
  const error: unknown = await ping(session).then(
    () => undefined,
    (caught: unknown) => caught,
  )
  return error instanceof SdError ? error.code : String(error)
}

describe('a server that sends malformed data is unreachable', () => {
  const nonsense: Readonly<Record<string, Buffer>> = {
    'another protocol': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    'a negative length': Buffer.from('ffffffff', 'hex'),
    'an empty frame': frameOf(Buffer.alloc(0)),
    'half a session': frameOf(Buffer.alloc(10)),
    'a session with a password of 2 GB': frameOf(Buffer.from(`0000000000001000000000000000002a7fffffff`, 'hex')),
  }
  test.each(Object.keys(nonsense))('%s instead of a session', async (name) => {
    const server = await start((socket) => socket.write(nonsense[name] as Buffer))
    expect(await codeOfPing(open(server))).toBe('SD_UNAVAILABLE')
  })

  const responses: Readonly<Record<string, (xid: number) => Buffer>> = {
    'an answer to nothing': (xid) => responseFrame({ xid: xid + 7 }),
    'an answer without its body': (xid) => responseFrame({ xid }),
    'an answer without a head': () => frameOf(Buffer.alloc(3)),
    'an event of an unknown kind': () => responseFrame({ xid: -1 }, Buffer.from('000000630000000300000001' + '2f', 'hex')),
  }
  test.each(Object.keys(responses))('%s', async (name) => {
    const server = await startGranting((socket, request) =>
      socket.write((responses[name] as (xid: number) => Buffer)(xidOf(request))),
    )
    expect(await codeOfPing(open(server))).toBe('SD_UNAVAILABLE')
  })

  test('an unknown error code fails the operation, not the connection', async () => {
    const server = await startGranting((socket, request) => socket.write(responseFrame({ xid: xidOf(request), code: -125 })))
    const session = open(server)
    expect(await codeOfPing(session)).toBe('SD_UNAVAILABLE')
    expect(await codeOfPing(session)).toBe('SD_UNAVAILABLE')
    expect(server.connections()).toBe(1)
  })
})

test('refused credentials are denied, without the secret', async () => {
  const server = await startGranting((socket) => socket.write(responseFrame({ xid: -4, code: -115 })))
  const session = open(server, { credentials: { username: 'app', password: 'secret' } })
  await expect(ping(session)).rejects.toMatchObject({ code: 'SD_DENIED', message: expect.not.stringContaining('secret') })
})

test('a session that expires immediately is not requested in a loop', async () => {
  const server = await start((socket) => socket.write(grantSession(0)))
  const session = open(server)
  expect(await codeOfPing(session)).toBe('SD_UNAVAILABLE')
  expect(server.connections()).toBe(1)
})

test('a connection that stops responding is left after a part of the session, and tried again', async () => {
  const server = await startGranting(() => undefined, 600)
  const session = open(server, { operationTimeoutMs: 10_000 })
  const startedAt = performance.now()
  expect(await codeOfPing(session)).toBe('SD_UNAVAILABLE')
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('a connection that responds to other requests is kept while a probe waits behind them', async () => {
  const event = responseFrame({ xid: -1 }, Buffer.from('000000030000000300000001' + '2f', 'hex'))
  let responses = 0
  const server = await startGranting((socket, request) => {
    // Of a session of 3 s, a probe has 1.5; long enough for a busy machine.
    const responding = setInterval(() => socket.write(event), 50)
    setTimeout(() => {
      clearInterval(responding)
      responses++
      socket.write(responseFrame({ xid: xidOf(request), code: -101 }))
    }, 2_500)
  }, 3_000)
  expect(await codeOfPing(open(server, { operationTimeoutMs: 10_000 }))).toBe('undefined')
  await eventually(() => expect(responses).toBeGreaterThan(0), 20_000)
  expect(server.connections()).toBe(1)
})

test('credentials that do not arrive are awaited with a limit', async () => {
  const server = await startGranting(() => undefined)
  const session = open(server, { credentials: () => new Promise(() => undefined), operationTimeoutMs: 500 })
  expect(await codeOfPing(session)).toBe('SD_TIMEOUT')
  expect(server.connections()).toBe(0)
})
