import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { checkInteger, checkKnownKeys, checkObject } from '@sd/core'
import { type ConnectionProtocol, createConnectionFront, type GatewayStream, type ServedConnection } from '@sd/gateway'
import { MessageLimit } from './messages.ts'
import { tcpTransport } from './transport.ts'

const defaultMaxBytes = 1_048_576

/** A protocol of messages with their length before them. A route may limit them by `options: { maxMessageBytes }`. */
export function createMessageProtocol(): ConnectionProtocol {
  return {
    kind: 'connection',
    name: 'messages',
    checkOptions(options, path) {
      if (options === undefined) return
      const given = checkObject(path, options)
      checkKnownKeys(path, given, ['maxMessageBytes'])
      const { maxMessageBytes } = given
      if (maxMessageBytes !== undefined) checkInteger(`${path}.maxMessageBytes`, maxMessageBytes, { min: 1, max: 0xff_ffff })
    },
    // Lengths are below 16 MiB: the first octet is 0, which no request of HTTP begins with.
    recognise: (first) => first[0] === 0,
    createFront: (context) =>
      createConnectionFront(context.protocol, (client, connection): ServedConnection => {
        let end = (): void => void client.destroy()
        const stream: GatewayStream = context.forward(
          connection,
          { transport: () => tcpTransport },
          {
            onConnect(service, { options }) {
              const { maxMessageBytes = defaultMaxBytes } = (options ?? {}) as { readonly maxMessageBytes?: number }
              end = join(client, service, new MessageLimit(maxMessageBytes))
            },
            onError: () => client.destroy(),
            onCut: () => client.destroy(),
          },
        )
        client.once('close', () => {
          const { bytesRead, bytesWritten } = client
          stream.ended({ reason: client.errored ? 'error' : 'client', bytesIn: bytesRead, bytesOut: bytesWritten })
          stream.abort()
        })
        return { end: () => end() }
      }),
  }
}

/** Connects both sides, at the pace of the slower one. @returns asks the service to end */
function join(client: Socket, service: Duplex, limit: MessageLimit): () => void {
  client.pipe(limit).pipe(service)
  service.pipe(client)
  limit.once('error', () => client.destroy())
  service.once('close', () => {
    if (!service.readableEnded || service.errored) client.destroy()
  })
  return () => {
    client.unpipe(limit)
    client.resume()
    limit.end()
  }
}
