import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import type { FramingAddress } from '../framing/framing-upstream.ts'
import { fieldsOf, type Http1Message, Http1Reader } from '../framing/http1-reader.ts'
import { type FrontRequest, responseRules, type UpstreamResponse } from './framing-rules.ts'

/** Sends requests to an upstream. */
export interface UpstreamClient {
  send(request: FrontRequest, line?: string): Promise<UpstreamResponse>
  close(): void
}

const badGateway: UpstreamResponse = { status: 502, fields: [], body: 'bad gateway\n' }

/** One connection that is kept between requests. */
interface Kept {
  readonly socket: Socket
  reader: Http1Reader
  isHead: boolean
}

/** Sends requests over HTTP/1.1, with connections that are kept. `faults` plants faults. */
export function createHttp1Client(address: FramingAddress, faults: ReadonlySet<string>): UpstreamClient {
  const idle: Kept[] = []
  const all = new Set<Socket>()

  function open(): Kept {
    const socket = connect({ ...address, noDelay: true })
    const isBodiless = ({ startLine }: Http1Message): boolean =>
      kept.isHead || / 1\d\d/.test(startLine) || (/ (?:204|304)/.test(startLine) && !faults.has('no body'))
    const kept: Kept = { socket, reader: new Http1Reader({ isResponse: true, isBodiless }), isHead: false }
    all.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      kept.reader.push(chunk)
      if (idle.includes(kept) && !faults.has('rest')) discard(kept)
    })
    socket.on('close', () => {
      all.delete(socket)
      discard(kept)
    })
    return kept
  }

  function discard(kept: Kept): void {
    const at = idle.indexOf(kept)
    if (at >= 0) idle.splice(at, 1)
    kept.socket.destroy()
  }

  function finish(kept: Kept, message: Http1Message): UpstreamResponse {
    const broken = Object.entries(responseRules).some(([name, rule]) => !faults.has(name) && rule(message) !== undefined)
    const { reader } = kept
    reader.messages.splice(0, reader.messages.indexOf(message) + 1)
    const isRead = reader.idle && reader.messages.length === 0 && !message.startLine.startsWith('HTTP/1.0')
    if ((isRead && !broken && message.complete) || faults.has('rest')) idle.push(kept)
    else discard(kept)
    return broken || !(message.complete || faults.has('truncation')) ? badGateway : toResponse(message, faults)
  }

  async function send(request: FrontRequest, line?: string): Promise<UpstreamResponse> {
    const kept = idle.pop() ?? open()
    kept.isHead = request.method === 'HEAD'
    const text = serialise(request, line, faults)
    // A response may come before the whole request was sent: then the connection is not used again.
    const cut = faults.has('early') && request.body !== '' ? text.length - 2 : text.length
    kept.socket.write(text.slice(0, cut), faults.has('octets') ? 'utf8' : 'latin1')
    const first = await nextResponse(kept, faults)
    if (!first) {
      discard(kept)
      return faults.has('truncation') ? { status: 200, fields: [], body: '' } : badGateway
    }
    return finish(kept, first)
  }

  return {
    send,
    close() {
      for (const socket of all) socket.destroy()
    },
  }
}

/** The final response, complete or until the end of the connection. */
async function nextResponse({ socket, reader }: Kept, faults: ReadonlySet<string>): Promise<Http1Message | undefined> {
  const find = (): Http1Message | undefined =>
    reader.messages.find(({ startLine }) => faults.has('interim') || !/^\S+ 1(?!01)\d\d/.test(startLine))
  for (;;) {
    const message = find()
    if (message?.complete || (message && message.problems.length > 0) || (reader.rest.length > 65_536 && !faults.has('limits')))
      return message ?? nothing(reader)
    if (socket.destroyed || socket.readableEnded) {
      reader.end()
      return find()
    }
    await new Promise<void>((resolve) => {
      const events = ['data', 'end', 'close'] as const
      const onAny = (): void => {
        for (const event of events) socket.off(event, onAny)
        resolve()
      }
      for (const event of events) socket.on(event, onAny)
    })
  }
}

function nothing({ rest }: Http1Reader): Http1Message {
  return { startLine: '', fields: [], head: rest, body: '', trailers: [], complete: false, problems: [] }
}

function toResponse({ startLine, fields, trailers, body }: Http1Message, faults: ReadonlySet<string>): UpstreamResponse {
  const nominated = fieldsOf(fields, 'connection')
    .join(',')
    .toLowerCase()
    .split(/\s*,\s*/)
  const dropped = ['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'transfer-encoding', 'content-length', ...nominated]
  const essential = ['set-cookie']
  const kept = fields.filter(([name]) => essential.includes(name.toLowerCase()) || !dropped.includes(name.toLowerCase()))
  const forwarded =
    faults.has('response fields') || faults.has('switching') || faults.has('response framing')
      ? fields.filter(([name]) => !/^content-length$/i.test(name))
      : kept
  const cookies = fieldsOf(fields, 'set-cookie').join(', ')
  const joined =
    faults.has('cookies') && cookies
      ? [...kept.filter(([name]) => !/^set-cookie$/i.test(name)), ['set-cookie', cookies] as const]
      : forwarded
  return {
    status: Number.parseInt(startLine.split(' ')[1] ?? '', 10) || 200,
    fields: faults.has('response trailers') ? [...joined, ...trailers] : joined,
    body: faults.has('until end') && startLine.startsWith('HTTP/1.0') ? '' : body,
  }
}

function serialise(
  { method, target, fields, trailers, body }: FrontRequest,
  line: string | undefined,
  faults: ReadonlySet<string>,
): string {
  const hasLength = body !== '' || ['POST', 'PUT', 'PATCH'].includes(method)
  const length = faults.has('length')
    ? body === ''
      ? ['Content-Length: 5']
      : []
    : hasLength
      ? [`Content-Length: ${body.length}`]
      : []
  const added = faults.has('trailers') ? trailers : []
  const lines = [...fields, ...added].map(([name, value]) => `${name}: ${value}`)
  return [line ?? `${method} ${target} HTTP/1.1`, ...lines, ...length, '', body].join('\r\n')
}

/** Sends requests over HTTP/2. */
export function createHttp2Client(address: FramingAddress): UpstreamClient {
  const session = connectHttp2(`http://${address.host}:${address.port}`)
  session.on('error', () => undefined)
  return {
    send: ({ method, target, fields, body }) =>
      new Promise((resolve) => {
        const headers: Record<string, string | string[]> = { ':method': method, ':path': target }
        for (const [name, value] of fields) {
          const lower = name.toLowerCase()
          if (lower === 'host') headers[':authority'] = value
          else headers[lower] = [...[headers[lower] ?? []].flat(), value]
        }
        const stream = session.request(headers, { endStream: body === '' })
        let [status, text] = [502, '']
        stream.on('response', (response) => {
          status = Number(response[':status'])
        })
        stream.setEncoding('latin1')
        stream.on('data', (chunk: string) => {
          text += chunk
        })
        stream.on('error', () => undefined)
        stream.on('close', () => resolve({ status, fields: [], body: method === 'HEAD' ? '' : text }))
        if (body !== '') stream.end(body, 'latin1')
      }),
    close: () => session.destroy(),
  }
}
