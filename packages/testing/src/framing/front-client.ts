import { connect, type Socket } from 'node:net'
import type { FramingPiece, FrontAnswer, FrontResponse } from './framing-case.ts'
import type { FramingAddress } from './framing-upstream.ts'
import type { FramingField } from './http1-reader.ts'
import { fieldOf, type Http1Message, Http1Reader } from './http1-reader.ts'
import {
  clientPreface,
  FrameReader,
  frameFlags,
  frameTypes,
  readFieldSection,
  withoutPadding,
  writeFrame,
  writeSettings,
} from './http2-frames.ts'

/** What a client sends to a front, and what it waits for. */
export interface FrontRequest {
  readonly pieces: readonly FramingPiece[]
  /** Number of final responses to wait for. */
  readonly responses: number
  /** Statuses after which to wait until the front ends the connection. */
  readonly closesAfter: readonly unknown[]
  /** Whether to end the connection after the last piece. */
  readonly leaves: boolean
  /** Whether the responses have no body, because the method is HEAD. */
  readonly isHead: boolean
  /** Ends the sending side after this silence, if the front has responded to all that it was to. The rest is read until the front ends the connection. */
  readonly quiet?: { readonly silenceMs: number; readonly isAnswered: (responses: number) => boolean }
  /** Longest time for all of it. */
  readonly limitMs: number
  /** Resolves once the upstream has received a head. */
  readonly upstreamHead: () => Promise<void>
}

/** Longest wait of a piece: a correct front may never get there. */
const pieceMs = 250

/** Sends octets over HTTP/1.1 to a front, and reads what it responds. */
export async function sendHttp1(address: FramingAddress, request: FrontRequest): Promise<FrontAnswer> {
  const reader = new Http1Reader({
    isResponse: true,
    isBodiless: ({ startLine }) => request.isHead || /^\S+ (?:1\d\d|204|304)/.test(startLine),
  })
  const finals = (): readonly Http1Message[] => reader.messages.filter(({ startLine }) => !/^\S+ 1\d\d/.test(startLine))
  const closed = await converse(address, request, {
    onData: (chunk) => reader.push(chunk),
    onEnd: () => reader.end(),
    count: () => reader.messages.length,
    isDone: () => finals().filter(({ complete }) => complete).length >= request.responses,
    closes: () => request.closesAfter.includes(Number(finals()[0]?.startLine.split(' ')[1])),
  })
  return { responses: finals().map(toResponse), interim: reader.messages.length - finals().length, closed, rest: reader.rest }
}

/** Sends frames over HTTP/2 to a front, behind the preface and SETTINGS, and reads the response on stream 1. */
export async function sendHttp2(address: FramingAddress, request: FrontRequest): Promise<FrontAnswer> {
  const stream = new Stream()
  // No dynamic table, no push, and windows that never fill.
  const start = Buffer.concat([
    clientPreface,
    writeSettings({ 1: 0, 2: 0, 4: 2_147_483_647 }),
    writeFrame(frameTypes.windowUpdate, 0, 0, Buffer.from('7fff0000', 'hex')),
  ])
  const closed = await converse(address, { ...request, pieces: [start, ...request.pieces] }, stream)
  const { response } = stream
  return { responses: response ? [response] : [], interim: stream.interim, closed: closed || stream.ended, rest: '' }
}

/** What a conversation does with the octets it receives. */
interface Listener {
  onData(chunk: Buffer, socket: Socket): void
  onEnd(): void
  /** Number of messages so far. */
  count(): number
  isDone(): boolean
  /** Whether to wait for the end of the connection. */
  closes(): boolean
}

/** The response on stream 1. */
class Stream implements Listener {
  readonly #reader: FrameReader = new FrameReader((frame) => this.#read(frame))
  #socket: Socket | undefined
  #status: number | undefined
  #fields: readonly FramingField[] = []
  #trailers: readonly FramingField[] = []
  #body = ''
  #complete = false
  interim = 0
  /** Whether the front has reset the stream, or said that it ends the connection. */
  ended = false

  get response(): FrontResponse | undefined {
    if (this.#status === undefined) return undefined
    return { status: this.#status, fields: this.#fields, trailers: this.#trailers, body: this.#body, complete: this.#complete }
  }

  onData(chunk: Buffer, socket: Socket): void {
    this.#socket = socket
    try {
      this.#reader.push(chunk)
    } catch {
      // A field block that is not valid: there is no response.
      this.ended = true
    }
  }

  onEnd(): void {
    this.ended = true
  }

  count(): number {
    return this.interim + (this.#status === undefined ? 0 : 1)
  }

  isDone(): boolean {
    return this.#complete || this.ended
  }

  closes(): boolean {
    return false
  }

  #read(frame: Parameters<typeof withoutPadding>[0]): void {
    const { type, flags, stream } = frame
    const isAck = (flags & frameFlags.ack) !== 0
    if (type === frameTypes.settings && !isAck) this.#socket?.write(writeFrame(frameTypes.settings, frameFlags.ack, 0))
    if (type === frameTypes.ping && !isAck) this.#socket?.write(writeFrame(frameTypes.ping, frameFlags.ack, 0, frame.payload))
    // A server may announce its end before it has responded to stream 1: then its last stream is 1 or later.
    if (type === frameTypes.goAway && (frame.payload.readUInt32BE(4) !== 0 || frame.payload.readUInt32BE(0) === 0))
      this.ended = true
    if (stream !== 1) return
    if (type === frameTypes.resetStream) this.ended = true
    if (type === frameTypes.headers) this.#readFields(readFieldSection(frame))
    if (type === frameTypes.data) this.#body += withoutPadding(frame).toString('latin1')
    const canEnd = type === frameTypes.headers || type === frameTypes.data
    if (canEnd && flags & frameFlags.endStream) this.#complete = true
  }

  #readFields(fields: readonly FramingField[]): void {
    const status = Number(fieldOf(fields, ':status'))
    if (status < 200) this.interim += 1
    else if (this.#status !== undefined) this.#trailers = fields
    else {
      this.#status = status
      this.#fields = fields.filter(([name]) => name !== ':status')
    }
  }
}

/** Resolves to whether the front has ended the connection. */
async function converse(address: FramingAddress, request: FrontRequest, listener: Listener): Promise<boolean> {
  const socket = connect({ ...address, noDelay: true })
  let closed = false
  let changed: () => void = () => undefined
  socket.on('error', () => undefined)
  let octets = 0
  socket.on('data', (chunk) => {
    octets += chunk.length
    listener.onData(chunk, socket)
    changed()
  })
  function onEnd(): void {
    if (closed) return
    closed = true
    listener.onEnd()
    changed()
  }
  socket.on('end', onEnd)
  socket.on('close', onEnd)
  const endAt = performance.now() + request.limitMs
  async function until(isDone: () => boolean, limitMs: number): Promise<void> {
    const until = Math.min(endAt, performance.now() + limitMs)
    while (!isDone() && !closed && performance.now() < until) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, until - performance.now()))
        changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
  for (const piece of request.pieces) {
    const before = listener.count()
    if (piece === 'response') await until(() => listener.count() > before, pieceMs)
    else if (piece === 'upstream') {
      let hasHead = false
      request.upstreamHead().then(() => {
        hasHead = true
        changed()
      })
      await until(() => hasHead, pieceMs)
    } else if (!socket.destroyed) await new Promise((resolve) => socket.write(piece, resolve))
  }
  if (request.leaves) {
    socket.destroy()
    return closed
  }
  if (request.quiet) {
    const { silenceMs, isAnswered } = request.quiet
    for (let seen = -1; !closed && performance.now() < endAt; seen = octets) {
      if (seen === octets && isAnswered(listener.count())) break
      const before = octets
      await until(() => octets > before, silenceMs)
    }
    socket.end()
  }
  await until(() => !request.quiet && listener.isDone(), request.limitMs)
  if (listener.closes()) await until(() => false, request.limitMs)
  const byFront = closed
  socket.destroy()
  return byFront
}

function toResponse({ startLine, fields, trailers, body, complete }: Http1Message): FrontResponse {
  return { status: Number(startLine.split(' ')[1]), fields, trailers, body, complete }
}
