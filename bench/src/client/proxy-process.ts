import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { ForwardHandler, ServiceClient } from '@sd/client'
import { Agent, type Dispatcher } from 'undici'
import { serveSlices } from '../slice-process.ts'
import { createBenchClient } from './callers.ts'

// A proxy in a separate process. A slice only returns the CPU time used so far, in microseconds.
const [kind = '', ...ports] = process.argv.slice(2)

/** Relays a response of undici with back-pressure, and with minimal work. */
class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  onRequestStart(): void {}

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    const { connection: _connection, 'keep-alive': _keepAlive, 'transfer-encoding': _encoding, ...rest } = headers
    this.#response.writeHead(status, rest)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    this.#response.end()
  }

  onResponseError(): void {
    this.#response.destroy()
  }
}

/** Removes the header fields of the connection, as a proxy must. */
function withoutConnection({ rawHeaders }: IncomingMessage): string[] {
  const kept: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase()
    if (name !== 'connection' && name !== 'keep-alive') kept.push(rawHeaders[index] as string, rawHeaders[index + 1] as string)
  }
  return kept
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void

function dispatchTo(dispatcher: Dispatcher, origin: () => string): Listener {
  return (request, response) => {
    const { method = 'GET', url: path = '/' } = request
    const options = { origin: origin(), path, method: method as Dispatcher.HttpMethod, headers: withoutConnection(request) }
    dispatcher.dispatch(options, new Relay(response))
  }
}

function forwardTo(client: ServiceClient): Listener {
  return (request, response) => {
    const { method = 'GET', url: path = '/', rawHeaders } = request
    const handler: ForwardHandler = {
      onResponse: (status, _, fields) => response.writeHead(status, [...fields]),
      onData: (chunk) => {
        if (response.write(chunk)) return
        control.pause()
        response.once('drain', () => control.resume())
      },
      onEnd: () => response.end(),
      onError: () => response.destroy(),
    }
    const control = client.forward({ service: 'orders', method, path, rawHeaders }, handler)
  }
}

async function createListener(): Promise<Listener> {
  if (kind === 'undici') {
    const origins = ports.map((port) => `http://127.0.0.1:${port}`)
    let next = 0
    return dispatchTo(new Agent({ connections: 128 }), () => origins[next++ % origins.length] as string)
  }
  const { client } = await createBenchClient(ports.map(Number))
  return kind === 'forward' ? forwardTo(client) : dispatchTo(client.dispatcher, () => 'http://orders')
}

const server = createServer(await createListener())
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  serveSlices(
    () => {
      const { user, system } = process.cpuUsage()
      return user + system
    },
    typeof address === 'object' ? address?.port : undefined,
  )
})
