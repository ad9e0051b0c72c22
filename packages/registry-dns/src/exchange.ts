import { createSocket } from 'node:dgram'
import { isIPv6, connect as openStream } from 'node:net'
import type { ServerAddress } from '@sd/adapter-kit'
import { type DnsQuery, type DnsReply, readReply } from './message.ts'

/** What an exchange with one server ended with. */
export type ExchangeResult =
  | Exclude<DnsReply, { kind: 'foreign' }>
  /** Nothing came in time. */
  | { readonly kind: 'late' }

/** Limits of one exchange. */
export interface ExchangeOptions {
  /** How long the server is waited for, in milliseconds. */
  readonly timeoutMs: number
  /** Ends it at once. */
  readonly signal: AbortSignal
}

/** A length of two bytes, and what it can say. */
const maxFrameBytes = 2 + 65_535

/** So many packets that are no answer are passed over; more are an attempt to guess the id. */
const maxForeignPackets = 32

/** Asks one server once. Never rejects; an exchange that is aborted counts as late. */
export type Exchange = (server: ServerAddress, query: DnsQuery, options: ExchangeOptions) => Promise<ExchangeResult>

/**
 * Asks in a datagram from a port that the system draws at random. The socket is connected, so that the system drops what comes from elsewhere
 * and tells when nothing listens.
 */
export const exchangeDatagram: Exchange = ({ host, port }, query, options) =>
  limit(options, (settle) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    let foreign = 0
    socket.on('error', (error) => settle(failure(error)))
    socket.on('message', (packet) => {
      const reply = readReply(packet, query)
      if (reply.kind !== 'foreign') settle(reply)
      else if (++foreign > maxForeignPackets) settle({ kind: 'failed', reason: 'too many packets that are no answer' })
    })
    // A listener, not a callback: that would be called with an error that the types don't know of.
    socket.on('connect', () => socket.send(query.packet))
    socket.connect(port, host)
    return () => socket.close()
  })

/** Asks over a connection of its own, for what does not fit into a datagram. */
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
      // What comes behind the largest frame is not copied: nobody asked for more.
      size += chunk.copy(received, size)
      const end = size < 2 ? maxFrameBytes : 2 + received.readUInt16BE(0)
      if (size < end) return
      const reply = readReply(received.subarray(2, end), query)
      settle(reply.kind === 'foreign' ? { kind: 'failed', reason: 'an answer to another question' } : reply)
    })
    return () => socket.destroy()
  })

/** Runs an exchange until it settles, its time is over or it is aborted, and closes what it opened. */
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
