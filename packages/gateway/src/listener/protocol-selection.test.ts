import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { recogniseHttp1, recogniseHttp2, selectProtocol } from './protocol-selection.ts'

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

const http = [
  { name: 'h2', recognise: recogniseHttp2, isHttp: true },
  { name: 'http/1.1', isHttp: true },
]
const mixed = [
  { name: 'h2', recognise: recogniseHttp2, isHttp: true },
  { name: 'http/1.1', recognise: recogniseHttp1, isHttp: true },
  { name: 'tcp', isHttp: false },
]

async function connectedSockets(): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer({ noDelay: true })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const client = connect((server.address() as { port: number }).port, '127.0.0.1').setNoDelay()
  const [accepted] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })
  return { client, accepted }
}

test.each([
  ['tcp', '*1\r\n$4\r\nPING\r\n', mixed],
  ['tcp', '\x16\x03\x01', mixed],
  ['tcp', 'get a\r\n', mixed],
  ['http/1.1', 'DELETE / HTTP/1.1\r\n', mixed],
  ['h2', `${preface}and more`, mixed],
  ['http/1.1', 'GET / HTTP/1.1\r\n'],
  ['http/1.1', 'PRI * HTTP/1.1\r\n'],
  ['http/1.1', 'P'.repeat(2)],
  ['h2', `${preface}and more`],
])('%s is selected for %j, also byte by byte, and no byte is lost', async (protocol, text, protocols = http) => {
  for (const isSplit of [false, true]) {
    const { client, accepted } = await connectedSockets()
    const selected = selectProtocol(accepted, protocols, 10_000)
    if (isSplit) for (const byte of text) await new Promise((resolve) => client.write(byte, resolve))
    else client.write(text)
    expect((await selected).name).toBe(protocol)
    let read = ''
    accepted.setEncoding('latin1').on('data', (chunk) => {
      read += chunk
      if (read.length === text.length) accepted.emit('complete')
    })
    const complete = once(accepted, 'complete')
    accepted.resume()
    await complete
    expect(read).toBe(text)
  }
})

test('half of a preface times out', async () => {
  const { client, accepted } = await connectedSockets()
  client.write(preface.slice(0, 20))
  await expect(selectProtocol(accepted, http, 50)).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
})

test('a client that leaves before its first request is SD_ABORTED', async () => {
  const { client, accepted } = await connectedSockets()
  client.end('PRI')
  await expect(selectProtocol(accepted, http, 10_000)).rejects.toMatchObject({ code: 'SD_ABORTED' })
})

test('a client that sends nothing gets the protocol that takes all connections', async () => {
  const { accepted } = await connectedSockets()
  expect((await selectProtocol(accepted, mixed, 20)).name).toBe('tcp')
})

test('bytes that no protocol wants are SD_INVALID', async () => {
  const { client, accepted } = await connectedSockets()
  client.write('*1')
  await expect(selectProtocol(accepted, mixed.slice(0, 2), 10_000)).rejects.toMatchObject({ code: 'SD_INVALID' })
})
