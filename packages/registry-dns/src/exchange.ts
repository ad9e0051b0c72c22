import { createSocket } from 'node:dgram'
import { isIPv6, connect as openStream } from 'node:net'
import type { ServerAddress } from '@sd/adapter-kit'
import { type DnsQuery, type DnsReply, readReply } from './message.ts'

/** Result of an exchange with one server. */
export type ExchangeResult =
  | Exclude<DnsReply, { kind: 'foreign' }>
  /** No response arrived in time. */
  | { readonly kind: 'late' }

/** Limits of one exchange. */
export interface ExchangeOptions {
  /** Time limit for the response of the server, in milliseconds. */
  readonly timeoutMs: number
  /** Ends the exchange when it aborts. */
  readonly signal: AbortSignal
}

/** A length of two bytes, and the largest message. */
const maxFrameBytes = 2 + 65_535

/** Number of unrelated packets that are ignored. More of them are an attempt to guess the id. */
const maxForeignPackets = 32

/** Sends one query to one server. Never rejects; an aborted exchange is late. */
export type Exchange = (server: ServerAddress, query: DnsQuery, options: ExchangeOptions) => Promise<ExchangeResult>

/**
 * Sends a datagram from a port that the system selects at random. The socket is connected, so the system drops packets
 * from other addresses and reports a closed port.
 */
export const exchangeDatagram: Exchange = ({ host, port }, query, options) =>
  limit(options, (settle) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    let foreign = 0
    socket.on('error', (error) => settle(failure(error)))
    socket.on('message', (packet) => {
      const reply = readReply(packet, query)
      if (reply.kind !== 'foreign') settle(reply)
      else if (++foreign > maxForeignPackets) settle({ kind: 'failed', reason: 'too many unrelated packets' })
    })
    // A listener, not a callback: the callback receives an error that its types do not declare.
    socket.on('connect', () => socket.send(query.packet))
    socket.connect(port, host)
    return () => socket.close()
  })

/** Sends a query over its own connection, for responses that do not fit into a datagram. */
export const exchangeStream: Exchange = ({ host, port }, query, options) =>
  limit(options, (settle) => {
    const socket = openStream({ host, port, noDelay: true })
    const received = Buffer.allocUnsafe(maxFrameBytes)
    let size = 0
    socket.on('error', (error) => settle(failure(error)))
    socket.on('close', () => settle({ kind: 'failed', reason: 'a closed connection' }))
    socket.on('connect', () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(query.packet.length)
      socket.write(Buffer.concat([length, query.packet]))
    })
    socket.on('data', (chunk) => {
      // Bytes after the largest frame are not copied: they can't belong to the response.
      size += chunk.copy(received, size)
      const end = size < 2 ? maxFrameBytes : 2 + received.readUInt16BE(0)
      if (size < end) return
      const reply = readReply(received.subarray(2, end), query)
      settle(reply.kind === 'foreign' ? { kind: 'failed', reason: 'a response to another question' } : reply)
    })
    return () => socket.destroy()
  })

/** Runs an exchange until it settles, its time is over or it is aborted, and closes its socket. */
function limit(
  { timeoutMs, signal }: ExchangeOptions,
  open: (settle: (result: ExchangeResult) => void) => () => unknown,
): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ kind: 'late' })
    let isSettled = false
    let close: (() => unknown) | undefined
    function settle(result: ExchangeResult): void {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', expire)
      close?.()
      resolve(result)
    }
    const expire = (): void => settle({ kind: 'late' })
    const timer = setTimeout(expire, timeoutMs)
    signal.addEventListener('abort', expire, { once: true })
    close = open(settle)
  })
}

function failure(error: NodeJS.ErrnoException): ExchangeResult {
  return { kind: 'failed', reason: error.code ?? error.message }
}
