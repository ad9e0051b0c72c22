import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { ServerAddress } from '@sd/adapter-kit'
import { withTimeout } from '@sd/core'

/** Time limit for a name that takes long to resolve, in milliseconds. */
const timeoutMs = 500

/**
 * Returns the address from which this process reaches a server. By gRPC a client tells the server its own address, which gray texts
 * and the history of texts use. grpc-js does not report it. Connecting a UDP socket sends nothing: it makes the kernel choose a route.
 */
export async function sourceAddress(server: Pick<ServerAddress, 'host' | 'port'>): Promise<string | undefined> {
  return isIPv6(server.host) ? ask(server, 'udp6') : ((await ask(server, 'udp4')) ?? ask(server, 'udp6'))
}

async function ask({ host, port }: Pick<ServerAddress, 'host' | 'port'>, type: 'udp4' | 'udp6'): Promise<string | undefined> {
  const socket = createSocket(type)
  try {
    await withTimeout({ timeoutMs, what: 'the route to the server' }, () => {
      return new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.once('connect', resolve)
        socket.connect(port, host)
      })
    })
    return socket.address().address
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}
