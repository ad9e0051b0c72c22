import type { Socket } from 'node:net'
import { type FramingField, fieldOf } from '../framing/http1-reader.ts'
import {
  clientPreface,
  type Frame,
  FrameReader,
  frameFlags,
  frameTypes,
  readFieldSection,
  withoutPadding,
  writeData,
  writeFieldSection,
  writeFrame,
  writeSettings,
} from '../framing/http2-frames.ts'
import { firstRefusal, http2Rules, type ProxyContext } from './framing-rules.ts'

/** A stream whose end was not received yet. */
interface OpenStream {
  readonly fields: readonly FramingField[]
  trailers: readonly FramingField[]
  body: string
}

/** Serves a connection of a client over HTTP/2: as many rules as the suite needs, no flow control. */
export function acceptHttp2(socket: Socket, context: ProxyContext): void {
  const streams = new Map<number, OpenStream>()
  const reader = new FrameReader((frame) => onFrame(frame))
  let preface = clientPreface.length
  socket.write(writeSettings({ 1: 0 }))
  socket.on('data', (chunk) => {
    const skipped = Math.min(preface, chunk.length)
    preface -= skipped
    try {
      reader.push(chunk.subarray(skipped))
    } catch {
      // A field block that can't be decoded ends the connection.
      socket.destroy()
    }
  })

  function onFrame(frame: Frame): void {
    const { type, flags, stream } = frame
    if (type === frameTypes.settings && !(flags & frameFlags.ack))
      socket.write(writeFrame(frameTypes.settings, frameFlags.ack, 0))
    const isEnd = (flags & frameFlags.endStream) !== 0
    if (type === frameTypes.headers) onFields(stream, readFieldSection(frame), isEnd)
    if (type === frameTypes.data) {
      const open = streams.get(stream)
      if (open) open.body += withoutPadding(frame).toString('latin1')
    }
    if (isEnd && (type === frameTypes.headers || type === frameTypes.data)) onEnd(stream)
  }

  function onFields(stream: number, fields: readonly FramingField[], isEnd: boolean): void {
    const open = streams.get(stream)
    if (open) {
      const allowed = context.faults.has('h2 trailers') || (isEnd && isTrailerSection(fields))
      if (!allowed) {
        respond(stream, 400)
        return
      }
      open.trailers = fields
      if (!isEnd) onEnd(stream)
      return
    }
    const refusal = firstRefusal(http2Rules, fields, context.faults)
    if (refusal === undefined) streams.set(stream, { fields, trailers: [], body: '' })
    else respond(stream, refusal)
  }

  function onEnd(stream: number): void {
    const open = streams.get(stream)
    if (!open) return
    streams.delete(stream)
    const { fields, body, trailers } = open
    const length = fieldOf(fields, 'content-length')
    if (length !== undefined && Number(length) !== body.length && !context.faults.has('h2 content-length')) {
      respond(stream, 400)
      return
    }
    const authority = fieldOf(fields, ':authority') ?? (context.faults.has('h2 authority') ? '' : (fieldOf(fields, 'host') ?? ''))
    const rest = fields.filter(([name]) => !name.startsWith(':') && name !== 'host')
    const [method, path] = [fieldOf(fields, ':method') ?? '', fieldOf(fields, ':path') ?? '']
    const target = context.faults.has('h2 scheme') ? `${fieldOf(fields, ':scheme')}://${authority}${path}` : path
    context
      .forward({ method, target, fields: [['Host', authority], ...rest], trailers, body })
      .then((answer) => respond(stream, answer.status, answer.body))
      .catch(() => socket.destroy())
  }

  function respond(stream: number, status: number, body: string = ''): void {
    streams.delete(stream)
    socket.write(writeFieldSection(stream, [[':status', `${status}`]], body === ''))
    if (body !== '') socket.write(writeData(stream, body, true))
  }
}

function isTrailerSection(fields: readonly FramingField[]): boolean {
  return fields.every(([name, value]) => /^(?!connection)[a-z0-9-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value))
}
