import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { encodeMessage } from './messages.ts'
import { startGateway } from './start-gateway.ts'

/** A service that returns what it gets. */
async function startService(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => socket.destroy()).pipe(socket))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() }
}

async function ask(client: Socket, text: string): Promise<string> {
  const message = encodeMessage(Buffer.from(text))
  client.write(message)
  let response = Buffer.alloc(0)
  while (response.length < message.length) {
    const [chunk] = (await once(client, 'data')) as [Buffer]
    response = Buffer.concat([response, chunk])
  }
  return response.toString('utf8', 4)
}

/** Runs the example. @returns whether all checks passed */
export async function run(write: (text: string) => unknown): Promise<boolean> {
  const results: boolean[] = []
  function check(what: string, isPassed: boolean): void {
    results.push(isPassed)
    write(`  ${isPassed ? 'pass' : 'FAIL'}  ${what}\n`)
  }
  const service = await startService()
  const settings = { service: { host: '127.0.0.1', port: service.port }, closeTimeoutMs: 2_000, maxMessageBytes: 1_000 }
  const gateway = await startGateway(settings)
  const client = connect(gateway.address)
  try {
    check('a message reaches the service, and its response the client', (await ask(client, 'hello')) === 'hello')
    await gateway.reload()
    check('a reload keeps the connection', (await ask(client, 'still here')) === 'still here')
    const page = await fetch(`http://127.0.0.1:${gateway.address.port}/`)
    check('the same port speaks HTTP', page.status === 200)
    client.write(encodeMessage(Buffer.alloc(1_001)))
    client.on('error', () => client.destroy())
    await once(client, 'close')
    check('a message above the limit of the route closes the connection', true)
  } finally {
    client.destroy()
    await gateway.close()
    service.close()
  }
  write(`\n${results.filter(Boolean).length} of ${results.length} checks passed\n`)
  return results.length === 4 && results.every(Boolean)
}
