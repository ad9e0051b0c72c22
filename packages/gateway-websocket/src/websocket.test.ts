import { once } from 'node:events'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { closeFrame, dialHttp2, frame, type RawPeer, rawPeer, startStage } from './testing/stage.ts'

const until = (check: () => void): Promise<void> => eventually(check, 20_000)

async function ask(socket: WebSocket, data: string | Buffer): Promise<Buffer> {
  const reply = once(socket, 'message')
  socket.send(data)
  return ((await reply) as [Buffer])[0]
}

const closeOf = async (socket: WebSocket): Promise<readonly [number, string]> => {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  return [code, reason.toString()]
}

describe.each([false, true])('with compression %s', (deflate) => {
  test('messages of any size pass in both directions, and are counted', async () => {
    const stage = await startStage({ deflate })
    const socket = await stage.dial({ perMessageDeflate: deflate })
    expect(socket.extensions).toBe(deflate ? 'permessage-deflate' : '')
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
      expect((await ask(socket, Buffer.alloc(size, 7))).equals(Buffer.alloc(size, 7))).toBe(true)
    }
    expect((await ask(socket, 'text')).toString()).toBe('text')
    socket.close(4_000, 'done')
    expect(await closeOf(socket)).toEqual([4_000, 'done'])
    await until(() => expect(stage.closes).toEqual([4_000]))
    await until(() => expect(stage.messages.length).toBe(1))
    expect(stage.messages[0]).toMatchObject({
      route: 'chat',
      service: 'chat',
      messagesIn: 8,
      messagesOut: 8,
      end: { reason: 'client', closeCode: 4_000 },
    })
    expect(stage.messages[0]?.bytesIn === 1_131_327).toBe(!deflate)
  })
})

test('a close of the service reaches the client with code and reason', async () => {
  const stage = await startStage({ onSocket: (socket) => socket.close(4_002, 'go') })
  const socket = await stage.dial()
  expect(await closeOf(socket)).toEqual([4_002, 'go'])
  await until(() => expect(stage.messages[0]?.end).toEqual({ reason: 'service', closeCode: 4_002 }))
  expect(stage.gateway.drainable.remaining().upgraded).toBe(0)
})

test.each([1, 3])('frames in pieces of %i bytes pass, and the fragments of two peers do not mix', async (size) => {
  const received: RawPeer[] = []
  const stage = await startStage({ onConnection: (connection) => void received.push(rawPeer(connection)) })
  const client = await stage.dialRaw()
  const data = Buffer.concat([frame(1, 'one', { fin: false }), frame(9, 'now'), frame(0, ' two'), frame(2, 'x'.repeat(300))])
  for (let at = 0; at < data.length; at += size) client.socket.write(data.subarray(at, at + size))
  await until(() => expect(received[0]?.received().equals(data)).toBe(true))
})

test('over HTTP/2 on both sides frames pass as they are', async () => {
  const received: RawPeer[] = []
  const answer = frame(1, 'welcome', { masked: false })
  const stage = await startStage({
    overHttp2: true,
    options: { closeTimeoutMs: 50 },
    onConnection(connection) {
      received.push(rawPeer(connection))
      connection.write(answer)
    },
  })
  const client = await dialHttp2(stage.port)
  const data = frame(2, 'x'.repeat(200_000))
  client.socket.write(data)
  await until(() => expect(received[0]?.received().equals(data)).toBe(true))
  await until(() => expect(client.received().equals(answer)).toBe(true))
  client.socket.destroy()
  await until(() => expect(stage.messages[0]).toMatchObject({ messagesIn: 1, bytesIn: 200_000, messagesOut: 1, bytesOut: 7 }))
  await until(() => expect(received[0]?.received().at(data.length)).toBe(0x88))
})

describe('a peer that leaves without a close', () => {
  test('is reported to the service with 1001', async () => {
    const stage = await startStage()
    const socket = await stage.dial()
    socket.terminate()
    await until(() => expect(stage.closes).toEqual([1_001]))
    await until(() => expect(stage.messages[0]?.end).toEqual({ reason: 'lost', closeCode: 1_006 }))
  })

  test('is reported to the client as an error of the server', async () => {
    const stage = await startStage({ onSocket: (socket) => socket.terminate() })
    const socket = await stage.dial()
    expect(await closeOf(socket)).toEqual([1_011, 'the service has left'])
  })

  test('in the middle of a frame cuts the other side off', async () => {
    const stage = await startStage({
      onConnection(connection) {
        connection.write(frame(1, 'abc', { masked: false, length: 10 }))
        connection.once('data', () => connection.destroy())
      },
    })
    const socket = await stage.dial()
    socket.send('now')
    expect((await closeOf(socket))[0]).toBe(1_006)
  })

  test('and ends only its own side gets the connection closed', async () => {
    const stage = await startStage()
    const client = await stage.dialRaw()
    client.socket.end()
    await once(client.socket, 'close')
    await until(() => expect(stage.closes).toEqual([1_001]))
  })
})

describe('a peer that breaks the protocol', () => {
  test('gets 1002 after what it had been sent before', async () => {
    const stage = await startStage()
    const client = await stage.dialRaw()
    client.socket.write(Buffer.concat([frame(1, 'last'), frame(3, 'bad')]))
    await once(client.socket, 'close')
    const last = frame(1, 'last', { masked: false })
    expect(client.received().equals(Buffer.concat([last, closeFrame(1_002, 'unknown opcode')]))).toBe(true)
    await until(() => expect(stage.closes).toEqual([1_001]))
    await until(() => expect(stage.messages[0]?.end).toEqual({ reason: 'protocol', closeCode: 1_002 }))
  })

  test('is also a service, and the client gets 1011', async () => {
    const received: RawPeer[] = []
    const stage = await startStage({
      onConnection(connection) {
        received.push(rawPeer(connection))
        connection.write(frame(1, 'masked'))
      },
    })
    const socket = await stage.dial()
    expect((await closeOf(socket))[0]).toBe(1_011)
    await until(() => expect(received[0]?.received().subarray(0, 1).toString('hex')).toBe('88'))
  })

  test.each(['client', 'service'])('is a %s with a message that is too long: it gets 1009', async (sender) => {
    const stage = await startStage({
      options: { maxMessageBytes: 1_000 },
      onSocket: (socket) => socket.on('message', () => socket.send('x'.repeat(1_001))),
    })
    const socket = await stage.dial()
    socket.send('x'.repeat(sender === 'client' ? 1_001 : 1_000))
    expect((await closeOf(socket))[0]).toBe(sender === 'client' ? 1_009 : 1_011)
    await until(() => expect(stage.closes).toEqual([sender === 'client' ? 1_001 : 1_009]))
    await until(() => expect(stage.messages[0]?.end).toEqual({ reason: 'size', closeCode: 1_009 }))
  })
})

describe('a drain', () => {
  test('closes both sides with 1001, in order', async () => {
    const stage = await startStage({ gateway: { closeTimeoutMs: 20_000 } })
    const socket = await stage.dial()
    const closed = closeOf(socket)
    await stage.gateway.close()
    expect(await closed).toEqual([1_001, 'the gateway drains'])
    expect(stage.closes).toEqual([1_001])
    expect(stage.messages[0]?.end).toEqual({ reason: 'drain', closeCode: 1_001 })
  })

  test('waits for the end of a frame that is on its way', async () => {
    const received: RawPeer[] = []
    const stage = await startStage({
      onConnection: (connection) => void received.push(rawPeer(connection)),
      gateway: { closeTimeoutMs: 20_000 },
    })
    const client = await stage.dialRaw()
    const data = frame(2, 'x'.repeat(1_000))
    client.socket.write(data.subarray(0, 500))
    await until(() => expect(received[0]?.received().length).toBe(500))
    const closing = stage.gateway.close()
    await until(() => expect(client.received().length).toBeGreaterThan(0))
    client.socket.write(Buffer.concat([data.subarray(500), frame(1, 'dropped'), closeFrame(1_001, '', true)]))
    await until(() => expect(received[0]?.received().length).toBeGreaterThan(data.length))
    const all = received[0]?.received() ?? Buffer.alloc(0)
    expect([all.subarray(0, data.length).equals(data), all[data.length], all.includes('dropped')]).toEqual([true, 0x88, false])
    received[0]?.socket.end(closeFrame(1_001))
    await closing
  })

  test('cuts peers that do not close', async () => {
    const stage = await startStage({ onConnection: (connection) => void connection.resume(), options: { closeTimeoutMs: 50 } })
    const client = await stage.dialRaw()
    await stage.gateway.close()
    await until(() => expect(client.socket.destroyed).toBe(true))
  })
})

test('a reload keeps connections of an unchanged route, and those of a changed one until their time is over', async () => {
  const stage = await startStage({ options: { pingMs: 10_000 }, gateway: { reloadDrainMs: 200 } })
  const socket = await stage.dial()
  await stage.gateway.configure(stage.table({ pingMs: 10_000 }))
  expect((await ask(socket, 'still here')).toString()).toBe('still here')
  const closed = closeOf(socket)
  await stage.gateway.configure(stage.table({ pingMs: 20_000 }))
  expect(await closed).toEqual([1_001, 'the gateway drains'])
})

describe('keep-alive', () => {
  test('both sides get PINGs, and their responses are not passed on', async () => {
    let pings = 0
    let pongs = 0
    const stage = await startStage({
      options: { pingMs: 100 },
      onSocket: (socket) => socket.on('ping', () => void pings++).on('pong', () => void pongs++),
    })
    const socket = await stage.dial()
    let own = 0
    socket.on('ping', () => void own++).on('pong', () => void pongs++)
    await until(() => expect(Math.min(pings, own)).toBeGreaterThan(1))
    expect([pongs, socket.readyState]).toEqual([0, WebSocket.OPEN])
  })

  test('a client that does not respond is cut off, and the service gets 1001', async () => {
    const stage = await startStage({ options: { pingMs: 40 } })
    const socket = await stage.dial({ autoPong: false })
    expect((await closeOf(socket))[0]).toBe(1_006)
    await until(() => expect(stage.closes).toEqual([1_001]))
  })

  test('PINGs of the peers themselves pass', async () => {
    const stage = await startStage({ options: { pingMs: 0 } })
    const socket = await stage.dial()
    const pong = once(socket, 'pong')
    socket.ping('mine')
    expect(String((await pong)[0])).toBe('mine')
  })
})

test('a connection without messages is closed after its idle limit, although both sides respond to PINGs', async () => {
  const stage = await startStage({ options: { idleMs: 1_200, pingMs: 500 } })
  const socket = await stage.dial()
  expect(await closeOf(socket)).toEqual([1_001, 'idle'])
  await until(() => expect(stage.messages[0]?.end?.reason).toBe('idle'))
})

test('a client that does not read makes the service wait, and gets all of it later', async () => {
  // More than the buffers of the system can hold on both connections.
  const size = 128 * 1_048_576
  let sent = 0
  let isBlocked = false
  let begin = (): void => undefined
  const stage = await startStage({
    onConnection(connection) {
      const chunk = frame(2, Buffer.alloc(65_536), { masked: false })
      const write = (): void => {
        while (sent < size) {
          sent += chunk.length
          if (!connection.write(chunk)) {
            isBlocked = true
            connection.once('drain', write)
            return
          }
        }
      }
      begin = write
    },
  })
  const client = await stage.dialRaw()
  client.socket.pause()
  begin()
  await until(() => expect(isBlocked).toBe(true))
  // Several times, so that a pause of the machine is not taken for back-pressure.
  let before = -1
  let quiet = 0
  await until(() => {
    quiet = before === sent ? quiet + 1 : 0
    before = sent
    expect(quiet).toBeGreaterThanOrEqual(4)
  })
  expect(sent).toBeLessThan(size)
  client.socket.resume()
  await until(() => expect([sent >= size, client.size()]).toEqual([true, sent]))
}, 30_000)
