import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SdError } from '@sd/core'
import type { ForwardControl, ForwardHandler, ForwardRequest, ServiceClient } from '../index.ts'

/** All events of a forwarded request. */
export interface Forwarded {
  readonly control: ForwardControl
  readonly informational: [number, readonly string[]][]
  status: number | undefined
  statusText: string | undefined
  rawHeaders: readonly string[]
  instanceId: string | undefined
  readonly chunks: Uint8Array[]
  trailers: readonly string[]
  socket: Duplex | undefined
  error: SdError | undefined
  drains: number
  /** Settles at the last event. */
  readonly ended: Promise<void>
  readonly text: string
}

/** Forwards a request to `orders`, and records its events. */
export function forward(
  client: ServiceClient,
  request: Partial<ForwardRequest> = {},
  hooks: Partial<ForwardHandler> = {},
): Forwarded {
  const ended = Promise.withResolvers<void>()
  const seen: { -readonly [Key in keyof Omit<Forwarded, 'control' | 'text'>]: Forwarded[Key] } = {
    informational: [],
    status: undefined,
    statusText: undefined,
    rawHeaders: [],
    instanceId: undefined,
    chunks: [],
    trailers: [],
    socket: undefined,
    error: undefined,
    drains: 0,
    ended: ended.promise,
  }
  const control = client.forward(
    { service: 'orders', method: 'GET', path: '/', ...request },
    {
      onDrain: () => void seen.drains++,
      onInformation: (status, rawHeaders) => void seen.informational.push([status, rawHeaders]),
      onResponse(status, statusText, rawHeaders, endpoint) {
        Object.assign(seen, { status, statusText, rawHeaders, instanceId: endpoint.instance.id })
      },
      onData: (chunk) => void seen.chunks.push(chunk),
      onEnd(rawTrailers) {
        seen.trailers = rawTrailers
        ended.resolve()
      },
      onUpgrade(socket, rawHeaders) {
        Object.assign(seen, { socket, rawHeaders })
        ended.resolve()
      },
      onError(error) {
        seen.error = error
        ended.resolve()
      },
      ...hooks,
    },
  )
  const text = { get: () => Buffer.concat(seen.chunks).toString() }
  return Object.defineProperties(Object.assign(seen, { control }), { text }) as unknown as Forwarded
}

/** A server that sends exact bytes, and records those that it receives. */
export async function serveBytes(reply: string): Promise<{ port: number; received: () => string; close(): void }> {
  let received = ''
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      received += data.toString('latin1')
      if (received.endsWith('\r\n\r\n')) socket.end(reply, 'latin1')
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: (server.address() as AddressInfo).port, received: () => received, close: () => server.close() }
}
