import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import type { UpgradedConnection } from '../protocol.ts'
import { startEdge } from '../testing/http1-edge.ts'
import { RawClient } from '../testing/raw-client.ts'

const upgrade = (protocol: string, more = '') =>
  `GET /chat HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\nsec-websocket-key: a2V5\r\n${more}\r\n`

const accept = createHash('sha1').update('a2V5258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')

function connect(client: Duplex, service: Duplex): UpgradedConnection {
  client.pipe(service).pipe(client)
  return { beginDrain: () => client.end() }
}

function startSwitchingEdge(answer: string) {
  return startEdge({
    rawService(socket) {
      socket.once('data', (head) => {
        socket.write(answer)
        if (/\r\nupgrade: websocket\r\n/i.test(head.toString())) socket.on('data', (data) => socket.write(`<${data}>`))
      })
    },
    upgrades: [{ kind: 'upgrade', name: 'websocket', connect }],
  })
}

test('with a protocol for it, an upgrade connects the client and the service, and is recorded when it ends', async () => {
  const switching = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`
  const edge = await startSwitchingEdge(switching)
  const client = new RawClient(edge.port).send(upgrade('websocket'))
  const head = await client.until('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n/)
  expect(head).toContain(`sec-websocket-accept: ${accept}`)
  expect(head.toLowerCase()).toContain('upgrade: websocket')
  client.send('ping')
  await client.until('<ping>')
  expect(edge.records.length).toBe(0)
  client.socket.end()
  expect((await edge.recorded(1))[0]?.outcome).toMatchObject({ status: 101 })
  expect(edge.openExchanges.size).toBe(0)
})

test('a service that refuses an upgrade has its response passed on', async () => {
  const edge = await startSwitchingEdge('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno')
  expect(await new RawClient(edge.port).send(upgrade('websocket')).closed).toMatch(/^HTTP\/1.1 403 Forbidden\r\n[\s\S]*no$/)
})

test('an upgrade with a body is refused, and one to another protocol is an ordinary request', async () => {
  const edge = await startSwitchingEdge('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  const refused = await new RawClient(edge.port).send(`${upgrade('websocket', 'content-length: 3\r\n')}abc`).closed
  expect(refused).toMatch(/^HTTP\/1.1 400 /)
  await new RawClient(edge.port).send(upgrade('h2c')).until(/^HTTP\/1.1 200 OK[\s\S]*ok$/)
})
