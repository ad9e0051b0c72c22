import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createLeastActiveBalancer } from '@sd/balancer-least-active'
import { eventually } from '@sd/testing'
import { expect, test } from 'vitest'
import { listen, open, startStage } from './testing/stage.ts'

const soon = <T>(check: () => T | Promise<T>): Promise<T> => eventually(check, 20_000)
const echo = (socket: Socket): void => void socket.pipe(socket)

test('bytes go both ways, and the end of the connection is reported with its bytes', async () => {
  const stage = startStage()
  await stage.serve('echo', 'a', (socket) =>
    socket.on('data', (chunk) => socket.write(`+${chunk}`)).on('end', () => socket.end()),
  )
  const { port } = await stage.gateway([{}])
  const client = open(port)
  for (const word of ['PING\r\n', 'PONG\r\n']) {
    client.socket.write(word)
    await soon(() => expect(client.text).toContain(`+${word}`))
  }
  client.socket.end()
  await client.ended
  const event = {
    protocol: 'tcp',
    route: 'route-0',
    service: 'echo',
    instanceId: 'a',
    reason: 'client',
    bytesIn: 12,
    bytesOut: 14,
  }
  await soon(() => expect(stage.closed).toContainEqual(expect.objectContaining(event)))
})

test('a client that has ended still gets its answer, and a service that has ended still gets what follows', async () => {
  const stage = startStage()
  const received: string[] = []
  await stage.serve('answer', 'a', (socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('end', () => socket.end(`all of ${text}`))
  })
  await stage.serve('greeting', 'b', (socket) => {
    socket.end('hello')
    socket.on('data', (chunk) => received.push(String(chunk)))
  })
  const answer = await stage.gateway([{ forward: { service: 'answer' } }])
  const client = open(answer.port)
  client.socket.end('question')
  expect(await client.ended).toBe('all of question')

  const greeting = await stage.gateway([{ forward: { service: 'greeting' } }])
  const other = open(greeting.port)
  await soon(() => expect(other.socket.readableEnded).toBe(true))
  other.socket.end('late')
  await soon(() => expect(received.join('')).toBe('late'))
  await soon(() => expect(stage.closed).toContainEqual(expect.objectContaining({ instanceId: 'b', reason: 'service' })))
})

test('a reset of either side reaches the other', async () => {
  const stage = startStage()
  const sockets: Socket[] = []
  const ends: string[] = []
  await stage.serve('echo', 'a', (socket) => {
    sockets.push(socket)
    socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? ''))
    echo(socket)
  })
  const { port } = await stage.gateway([{}])
  const [first, second] = [open(port), open(port)]
  for (const { socket } of [first, second]) socket.write('x')
  await soon(() => expect([first.text, second.text]).toEqual(['x', 'x']))
  first.socket.resetAndDestroy()
  await soon(() => expect(ends).toEqual(['ECONNRESET']))
  const failed = new Promise((resolve) => second.socket.once('error', resolve))
  for (const socket of sockets) if (!socket.destroyed) socket.resetAndDestroy()
  expect(await failed).toMatchObject({ code: 'ECONNRESET' })
  await soon(() => expect(stage.closed.map(({ reason }) => reason)).toEqual(['error', 'error']))
})

test('a slow reader gets 64 MiB whole, and the gateway does not keep them', async () => {
  const stage = startStage()
  const chunk = Buffer.alloc(65_536, 'x')
  let written = 0
  await stage.serve('echo', 'a', (socket) => {
    const push = (): void => {
      while (written < 1_024) {
        written++
        if (!socket.write(chunk)) {
          socket.once('drain', push)
          return
        }
      }
      socket.end()
    }
    push()
  })
  const { port } = await stage.gateway([{}])
  const client = open(port)
  client.socket.removeAllListeners('data').pause()
  let last = -1
  await soon(() => {
    const before = last
    last = written
    expect(before).toBe(written)
    expect(written).toBeGreaterThan(0)
  })
  // What the four queues of the system hold.
  expect(written).toBeLessThan(600)
  let length = 0
  client.socket.setEncoding('latin1').on('data', (part) => {
    length += part.length
  })
  client.socket.resume()
  await soon(() => expect(length).toBe(64 * 1_048_576))
})

test('32 MiB pass unchanged in both directions at once, whatever the readers do', async () => {
  const stage = startStage()
  await stage.serve('echo', 'a', echo)
  const { port } = await stage.gateway([{}])
  const client = open(port)
  const [sent, received] = [createHash('sha256'), createHash('sha256')]
  let length = 0
  client.socket.removeAllListeners('data').on('data', (part: unknown) => {
    received.update(part as string, 'latin1')
    length += (part as string).length
    if (length % 7 !== 0) return
    client.socket.pause()
    setTimeout(() => client.socket.resume(), 1)
  })
  for (let count = 0; count < 512; count++) {
    const chunk = randomBytes(65_536)
    sent.update(chunk)
    if (!client.socket.write(chunk)) await once(client.socket, 'drain')
  }
  client.socket.end()
  await soon(() => expect(length).toBe(512 * 65_536))
  expect(received.digest('hex')).toBe(sent.digest('hex'))
})

test('an instance that refuses connections is replaced by another one', async () => {
  const stage = startStage()
  const server = createServer()
  const port = await listen(server)
  server.close()
  await stage.register('echo', 'gone', port)
  await stage.serve('echo', 'here', echo)
  const gateway = await stage.gateway([{}])
  for (let turn = 0; turn < 4; turn++) {
    const client = open(gateway.port)
    client.socket.write('hi')
    await soon(() => expect(client.text).toBe('hi'))
  }
})

test.each([
  ['unavailable', {}],
  ['no-route', { match: { hosts: ['a.example'] } }],
])('a connection that ends as %s is closed, and reported', async (reason, route) => {
  const stage = startStage()
  const { port } = await stage.gateway([{ forward: { service: 'nobody' }, ...route }])
  const client = open(port)
  client.socket.write('not TLS')
  await client.ended
  await soon(() => expect(stage.closed).toContainEqual(expect.objectContaining({ reason })))
})

test('an idle connection is closed', async () => {
  const stage = startStage()
  await stage.serve('echo', 'a', echo)
  const { port } = await stage.gateway([{ timeouts: { idleMs: 100 } }])
  await open(port).ended
  await soon(() => expect(stage.closed).toContainEqual(expect.objectContaining({ reason: 'idle', instanceId: 'a' })))
})

test('a connection is closed after its longest duration, however busy', async () => {
  const stage = startStage()
  await stage.serve('echo', 'a', (socket) => {
    const timer = setInterval(() => socket.write('.'), 10)
    socket.once('close', () => clearInterval(timer))
  })
  const { port } = await stage.gateway([{ timeouts: { maxMs: 200 } }])
  await open(port).ended
  await soon(() => expect(stage.closed).toContainEqual(expect.objectContaining({ reason: 'duration' })))
})

test('open connections count for the balancer', async () => {
  const stage = startStage({ balancer: createLeastActiveBalancer() })
  const counts: Record<string, number> = { a: 0, b: 0 }
  for (const id of ['a', 'b']) {
    await stage.serve('echo', id, (socket) => {
      counts[id] = (counts[id] ?? 0) + 1
      echo(socket)
    })
  }
  const { port } = await stage.gateway([{}])
  for (let turn = 0; turn < 10; turn++) {
    const client = open(port)
    client.socket.write('x')
    await soon(() => expect(client.text).toBe('x'))
  }
  expect(counts).toEqual({ a: 5, b: 5 })
})

test('a drain ends the side of the service, whose answer still reaches the client; what does not end is cut and reported', async () => {
  const stage = startStage()
  await stage.serve('polite', 'a', (socket) => socket.on('end', () => socket.end('bye')).resume())
  await stage.serve('stubborn', 'b', (socket) => socket.resume())
  const { gateway, port } = await stage.gateway([{ forward: [{ service: 'polite' }, { service: 'stubborn' }] }], {
    gateway: { closeTimeoutMs: 500 },
  })
  const clients = [open(port), open(port)]
  for (const { socket } of clients) socket.on('end', () => socket.end())
  await soon(() => expect(gateway.drainable.remaining()).toMatchObject({ streams: 2 }))
  for (const { socket } of clients) socket.write('x')
  await gateway.close()
  expect((await Promise.all(clients.map(({ ended }) => ended))).sort()).toEqual(['', 'bye'])
  await soon(() =>
    expect(stage.closed.map(({ service, reason }) => `${service} ${reason}`).sort()).toEqual(['polite drain', 'stubborn drain']),
  )
})

test.each([
  [{ connectMs: 0 }, 'connectMs'],
  [{ proxyProtocol: 'v3' }, 'proxyProtocol'],
  [{ keepAliveMs: -1 }, 'keepAliveMs'],
  [{ other: 1 }, 'other'],
])('options %o are refused at %s', async (options, field) => {
  await expect(startStage().gateway([{ options }])).rejects.toMatchObject({
    code: 'SD_INVALID',
    field: `routes[0].options.${field}`,
  })
})

test('an instance that resets connections at once is left out after a few', async () => {
  const stage = startStage()
  await stage.serve('echo', 'broken', (socket) => socket.once('data', () => socket.resetAndDestroy()))
  await stage.serve('echo', 'sound', echo)
  const { gateway, port } = await stage.gateway([{}])
  await soon(async () => {
    const client = open(port)
    client.socket.write('ping')
    await Promise.race([client.ended, soon(() => expect(client.text).toBe('ping'))])
    client.socket.destroy()
    const { endpoints } = gateway.explain({ url: 'tcp://' }).targets?.[0] ?? {}
    expect(endpoints).toContainEqual(expect.objectContaining({ instanceId: 'broken', excluded: expect.any(String) }))
  })
})
