import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { FramingProtocol } from '../framing/framing-case.ts'
import type { FramingAddress, FramingUpstream } from '../framing/framing-upstream.ts'
import { type FramingField, fieldOf, fieldsOf, type Http1Message, Http1Reader } from '../framing/http1-reader.ts'
import { acceptHttp2 } from './framing-proxy-http2.ts'
import {
  type FrontRequest,
  firstRefusal,
  http1Rules,
  type ProxyContext,
  requestRules,
  type UpstreamResponse,
} from './framing-rules.ts'
import { createHttp1Client, createHttp2Client, type UpstreamClient } from './framing-upstreams.ts'

/** A proxy for the tests of the framing suite. */
export interface FramingProxy {
  readonly address: FramingAddress
  close(): Promise<void>
}

/**
 * Starts a small proxy that reads messages tolerantly, and then refuses what its rules forbid. It collects whole messages, and is for tests only.
 * With faults, some of the rules are missing.
 */
export async function startFramingProxy(options: {
  readonly front: FramingProtocol
  readonly upstream: FramingUpstream
  readonly faults?: readonly string[]
}): Promise<FramingProxy> {
  const { upstream } = options
  const faults = new Set(options.faults)
  const client: UpstreamClient =
    upstream.protocol === 'h1' ? createHttp1Client(upstream.address, faults) : createHttp2Client(upstream.address)
  const context: ProxyContext = {
    faults,
    async forward(request, line) {
      const refusal = firstRefusal(requestRules, request, faults)
      if (refusal !== undefined) return { status: refusal, fields: [], body: '' }
      if (faults.has('decoding')) decodeURIComponent(request.target)
      const method = faults.has('method') ? nearestMethod(request.method) : request.method
      return client.send({ ...request, method, fields: forwardedFields(request.fields, faults) }, line)
    },
  }
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    if (options.front === 'h1') new Http1Front(socket, context)
    else acceptHttp2(socket, context)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async close() {
      for (const socket of sockets) socket.destroy()
      client.close()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What a careless proxy makes of a method that it does not know. */
function nearestMethod(method: string): string {
  return /^(?:CONNECT|TRACE)$|[^A-Za-z]/.test(method) ? method : method.toUpperCase().replace('FROB', 'GET')
}

const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'upgrade',
  'http2-settings',
  'trailer',
]
const ofClient = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded']
const essential = ['host', 'authorization', 'cookie', 'traceparent']

/** The fields for the upstream: without those for one connection, and those that name the client are replaced. */
function forwardedFields(fields: readonly FramingField[], faults: ReadonlySet<string>): readonly FramingField[] {
  const nominated = fieldsOf(fields, 'connection')
    .join(',')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  const dropped = [
    ...(faults.has('hop-by-hop') ? [] : hopByHop),
    ...(faults.has('nominated') ? [] : nominated.filter((name) => faults.has('essential') || !essential.includes(name))),
    ...(faults.has('forwarded') ? [] : ofClient),
    ...['transfer-encoding', 'content-length', ...(faults.has('expect') ? [] : ['expect'])],
  ]
  const kept = fields.filter(
    ([name]) => !dropped.includes(name.toLowerCase()) && (faults.has('underscores') || !name.includes('_')),
  )
  const own: FramingField = ['x-forwarded-for', '127.0.0.1']
  const all = faults.has('essential') && nominated.includes('x-forwarded-for') ? kept : [...kept, own]
  const limited = faults.has('limits') ? all.slice(0, 1_500) : all
  const cookies = fieldsOf(limited, 'cookie')
  if (cookies.length < 2 || faults.has('crumbs')) return limited
  return [...limited.filter(([name]) => name.toLowerCase() !== 'cookie'), ['cookie', cookies.join('; ')]]
}

/** One connection of a client over HTTP/1.1. */
class Http1Front {
  readonly #reader = new Http1Reader({ isResponse: false })
  readonly #socket: Socket
  readonly #context: ProxyContext
  #busy = false
  #continued = 0
  #ended = false
  #emptyLines = ''

  constructor(socket: Socket, context: ProxyContext) {
    this.#socket = socket
    this.#context = context
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('close', () => this.#onClose())
  }

  #onData(chunk: Buffer): void {
    if (this.#ended) return
    const isStart = this.#reader.idle && this.#reader.messages.length === 0
    const text = chunk.toString('latin1')
    const trimmed = isStart ? text.replace(/^(?:\r\n)+/, '') : text
    if (this.#context.faults.has('empty lines')) this.#emptyLines = text.slice(0, text.length - trimmed.length)
    this.#reader.push(Buffer.from(trimmed, 'latin1'))
    this.#work().catch(() => this.#socket.destroy())
  }

  async #work(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    if (this.#context.faults.has('pipelining')) this.#reader.messages.reverse()
    for (let message = this.#next(); message && !this.#ended; message = this.#next()) {
      this.#reader.messages.splice(this.#reader.messages.indexOf(message), 1)
      await this.#answer(message)
    }
    this.#busy = false
  }

  /** The next message that is complete or must be refused. */
  #next(): Http1Message | undefined {
    const { faults } = this.#context
    const [message] = this.#reader.messages
    if (!message) {
      const { rest } = this.#reader
      const isBroken = (!faults.has('line ends') && /\r(?!\n|$)|\0/.test(rest)) || (!faults.has('limits') && rest.length > 65_536)
      return isBroken
        ? { startLine: '', fields: [], head: rest, body: '', trailers: [], complete: true, problems: [] }
        : undefined
    }
    const expects = fieldOf(message.fields, 'expect') === '100-continue'
    if (expects && !message.complete && faults.has('continue')) return message
    if (expects && !message.complete && this.#continued++ === 0) this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    const isBroken = message.problems.length > 0 && faults.has('chunks')
    return message.complete || isBroken || firstRefusal(http1Rules, message, faults) !== undefined ? message : undefined
  }

  async #answer(message: Http1Message): Promise<void> {
    const { faults } = this.#context
    const refusal = firstRefusal(http1Rules, message, faults)
    const { method, target, fields } = readHead(message, faults)
    const line = faults.has('request line') ? message.startLine : undefined
    const body = faults.has('pipelining') ? '' : message.body
    const request = { method, target, fields, trailers: message.trailers, body }
    const answer: UpstreamResponse =
      refusal === undefined
        ? await this.#context.forward(request, line ?? (this.#emptyLines ? `${this.#emptyLines}${message.startLine}` : undefined))
        : { status: refusal, fields: [], body: '' }
    const closes = refusal !== undefined || (!faults.has('close') && /close/i.test(fieldsOf(message.fields, 'connection').join()))
    const lines = answer.fields.map(([name, value]) => `${name}: ${value}`)
    const isBodiless = answer.status === 204 || answer.status === 304 || (method === 'HEAD' && !faults.has('head'))
    const head = [
      `HTTP/1.1 ${answer.status} x`,
      ...lines,
      ...(isBodiless ? [] : [`Content-Length: ${answer.body.length}`]),
      ...(closes ? ['Connection: close'] : []),
    ]
    this.#socket.write(`${head.join('\r\n')}\r\n\r\n${isBodiless ? '' : answer.body}`, 'latin1')
    if (!closes) return
    this.#ended = true
    this.#socket.end()
  }

  #onClose(): void {
    this.#ended = true
    if (!this.#context.faults.has('leaving')) return
    const [message] = this.#reader.messages
    const request = message
      ? readHead(message, new Set())
      : { method: 'GET', target: '/unfinished', fields: [['Host', 'framing.test']] as const }
    this.#context.forward({ ...request, trailers: [], body: message?.body ?? '' }).catch(() => undefined)
  }
}

/** Method, target in origin-form and fields. An absolute-form replaces Host. */
function readHead(
  { startLine, fields }: Http1Message,
  faults: ReadonlySet<string>,
): Pick<FrontRequest, 'method' | 'target' | 'fields'> {
  const [method = '', target = ''] = startLine.split(/\s+/)
  const [, authority, path] = /^http:\/\/([^/]*)(.*)$/.exec(target) ?? []
  if (authority === undefined || faults.has('target form')) {
    const hasHost = fieldOf(fields, 'host') !== undefined
    const isRaw = faults.has('host') || faults.has('target form')
    return {
      method,
      target: faults.has('target form') && target === '*' ? 'framing.test*' : target,
      fields: hasHost || isRaw ? fields : [['Host', 'framing.test'], ...fields],
    }
  }
  return {
    method,
    target: path || '/',
    fields: [['Host', authority], ...fields.filter(([name]) => name.toLowerCase() !== 'host')],
  }
}
