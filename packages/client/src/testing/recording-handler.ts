import type { Duplex } from 'node:stream'
import type { Endpoint, HeaderFields, SdError } from '@sd/core'
import type { Transport, TransportExchange, TransportHandler, TransportRequest } from '../transport/transport.ts'

/** The events of one exchange. */
export interface Recorded {
  sent: boolean
  informational: (readonly [number, HeaderFields])[]
  status: number | undefined
  statusText: string | undefined
  headers: HeaderFields | undefined
  text: string
  bytes: number
  trailers: HeaderFields | undefined
  isComplete: boolean
  socket: Duplex | undefined
  error: SdError | undefined
  wasSent: boolean | undefined
  /** Chunks after which it asks for a pause. */
  pauseAfter: number
  onDrain: () => void
  /** Settles at the end, whether it succeeds or fails. */
  readonly ended: Promise<void>
}

/** Sends a request, and records the handler's events. Throws if there is more than one end. */
export function send(
  transport: Transport,
  endpoint: Endpoint,
  request: TransportRequest,
  { pauseAfter = Number.POSITIVE_INFINITY }: { readonly pauseAfter?: number } = {},
): { readonly exchange: TransportExchange; readonly recorded: Recorded } {
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const recorded: Recorded = {
    sent: false,
    informational: [],
    status: undefined,
    statusText: undefined,
    headers: undefined,
    text: '',
    bytes: 0,
    trailers: undefined,
    isComplete: false,
    socket: undefined,
    error: undefined,
    wasSent: undefined,
    pauseAfter,
    onDrain: () => undefined,
    ended,
  }
  let hasEnded = false
  const end = (): void => {
    if (hasEnded) throw new Error('The exchange ended twice')
    hasEnded = true
    resolve()
  }
  const handler: TransportHandler = {
    onSend() {
      recorded.sent = true
    },
    onDrain: () => recorded.onDrain(),
    onInformation: (status, headers) => recorded.informational.push([status, headers]),
    onResponse(status, headers, statusText) {
      Object.assign(recorded, { status, headers, statusText })
    },
    onData(chunk) {
      recorded.bytes += chunk.length
      if (recorded.bytes < 65_536) recorded.text += Buffer.from(chunk).toString()
      return --recorded.pauseAfter > 0
    },
    onEnd(trailers) {
      Object.assign(recorded, { trailers, isComplete: true })
      end()
    },
    onUpgrade(status, headers, socket) {
      Object.assign(recorded, { status, headers, socket })
      end()
    },
    onError(error, wasSent) {
      Object.assign(recorded, { error, wasSent })
      end()
    },
  }
  return { exchange: transport.send(endpoint, request, handler), recorded }
}
