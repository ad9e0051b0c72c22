import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { FramingProtocol, SeenRequest, UpstreamScript } from './framing-case.ts'
import { type FramingField, fieldOf, type Http1Message, Http1Reader } from './http1-reader.ts'
import { problemsOfHttp1, problemsOfHttp2 } from './upstream-rules.ts'

/** Where something listens. */
export interface FramingAddress {
  readonly host: string
  readonly port: number
}

/** An upstream for the front under test: it records each octet, and responds with the first line of what it received. */
export interface FramingUpstream {
  readonly protocol: FramingProtocol
  readonly address: FramingAddress
  /** Forgets what was recorded, and what the last case left open. The first request from now on gets the response of the script. */
  begin(script?: UpstreamScript): void
  /** Requests since `begin`, also those whose body has not ended. */
  requests(): readonly SeenRequest[]
  /** Violations by the front since `begin`: requests that are not valid, or that an intermediary must not forward. */
  problems(): readonly string[]
  /** Octets since `begin` of each connection, in latin1. Empty for HTTP/2. */
  octets(): readonly string[]
  /** Octets that belong to no complete request, on connections that are open. A front may send them while it is still forwarding. */
  unfinished(): readonly string[]
  /** Sends what the script has for later. Resolves when the front has ended the connection, or after a moment. */
  sendLater(): Promise<void>
  /** Closes all connections and stops listening. */
  close(): Promise<void>
}

/** Time that a front has to notice octets on an idle connection. */
const noticeMs = 1_000

/** Starts an upstream on a free port of 127.0.0.1. */
export async function startFramingUpstream(options: { readonly protocol: FramingProtocol }): Promise<FramingUpstream> {
  return options.protocol === 'h1' ? startHttp1() : startHttp2()
}

/** The body of the usual response: what the upstream understood. */
export function echoOf(method: string, target: string): string {
  return `${method} ${target}\n`
}

/** One connection from the front. */
interface Connection {
  readonly id: number
  readonly socket: Socket
  reader: Http1Reader
  octets: string
  /** Number of messages that were responded to. */
  answered: number
}

class Http1Upstream implements FramingUpstream {
  readonly protocol = 'h1'
  readonly address: FramingAddress
  readonly #server: Server
  #connections: Connection[] = []
  #opened = 0
  #script: UpstreamScript | undefined
  #scripted: { readonly connection: Connection; readonly script: UpstreamScript } | undefined

  constructor(server: Server) {
    this.#server = server
    this.address = addressOf(server)
    server.on('connection', (socket) => this.#accept(socket))
  }

  begin(script?: UpstreamScript): void {
    for (const { reader, socket } of this.#connections) if (!reader.idle) socket.destroy()
    this.#connections = this.#connections.filter(({ socket }) => !socket.destroyed)
    for (const connection of this.#connections) {
      connection.reader = makeReader()
      connection.octets = ''
      connection.answered = 0
    }
    this.#script = script
    this.#scripted = undefined
  }

  requests(): readonly SeenRequest[] {
    return this.#connections.flatMap(({ id, reader }) => reader.messages.map((message) => toSeen(message, id)))
  }

  problems(): readonly string[] {
    return this.#connections.flatMap(({ reader }) => reader.messages.flatMap(problemsOfHttp1))
  }

  octets(): readonly string[] {
    return this.#connections.map(({ octets }) => octets)
  }

  unfinished(): readonly string[] {
    return this.#connections.filter(({ reader, socket }) => !reader.idle && !socket.destroyed).map(({ octets }) => octets)
  }

  async sendLater(): Promise<void> {
    const { connection, script } = this.#scripted ?? {}
    if (!connection || script?.later === undefined || connection.socket.destroyed) return
    connection.socket.write(script.later, 'latin1')
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, noticeMs)
      connection.socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    for (const { socket } of this.#connections) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(socket: Socket): void {
    const connection: Connection = { id: ++this.#opened, socket, reader: makeReader(), octets: '', answered: 0 }
    this.#connections.push(connection)
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      connection.octets += chunk.toString('latin1')
      connection.reader.push(chunk)
      this.#respond(connection)
    })
  }

  #respond(connection: Connection): void {
    const { reader, socket } = connection
    for (; ; connection.answered += 1) {
      const message = reader.messages[connection.answered]
      if (!message) return
      const script = this.#script
      if (!message.complete && script?.after !== 'head') return
      if (!script && !message.complete) return
      if (script) {
        this.#script = undefined
        this.#scripted = { connection, script }
        socket.write(script.response, 'latin1')
        if (script.ends) socket.end()
        continue
      }
      const { method, target } = toSeen(message, 0)
      const body = echoOf(method, target)
      const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n`
      socket.write(method === 'HEAD' ? head : head + body, 'latin1')
    }
  }
}

function makeReader(): Http1Reader {
  return new Http1Reader({ isResponse: false })
}

function toSeen(message: Http1Message, connection: number): SeenRequest {
  const { fields, trailers, body, complete } = message
  const [method = '', ...rest] = message.startLine.split(' ')
  const target = rest.join(' ').replace(/ HTTP\/\d(?:\.\d)?$/, '')
  return {
    protocol: 'h1',
    method,
    target,
    authority: fieldOf(fields, 'host') ?? '',
    fields,
    trailers,
    body,
    complete,
    connection,
  }
}

async function startHttp1(): Promise<FramingUpstream> {
  const server = createServer()
  await listen(server)
  return new Http1Upstream(server)
}

async function startHttp2(): Promise<FramingUpstream> {
  let seen: { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] }[] = []
  let problems: string[] = []
  let opened = 0
  // Limits over those of any case: a front that cancels thousands of streams, because its clients do, is not at fault here.
  const server = createHttp2Server({
    maxHeaderListPairs: 8_192,
    settings: { maxHeaderListSize: 1_048_576 },
    streamResetBurst: 1_000_000,
    streamResetRate: 1_000_000,
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('session', (session) => {
    const connection = ++opened
    session.on('error', (error) => problems.push(`the upstream refuses what it received: ${error.message}`))
    session.on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw: readonly string[]) => {
      const all: FramingField[] = []
      for (let index = 0; index < raw.length; index += 2) all.push([raw[index] ?? '', raw[index + 1] ?? ''])
      const pseudo = (name: string): string => fieldOf(all, name) ?? ''
      const fields = all.filter(([name]) => !name.startsWith(':'))
      const request = {
        protocol: 'h2' as const,
        ...{ method: pseudo(':method'), target: pseudo(':path'), authority: pseudo(':authority') || pseudo('host') },
        ...{ fields, trailers: [] as readonly FramingField[], body: '', complete: false, connection },
      }
      seen.push(request)
      problems.push(...problemsOfHttp2(request, all))
      stream.on('error', () => undefined)
      stream.on('trailers', (_trailers, _flags, rawTrailers: readonly string[] = []) => {
        const pairs: FramingField[] = []
        for (let index = 0; index < rawTrailers.length; index += 2)
          pairs.push([rawTrailers[index] ?? '', rawTrailers[index + 1] ?? ''])
        request.trailers = pairs
      })
      stream.on('data', (chunk: Buffer) => (request.body += chunk.toString('latin1')))
      stream.on('end', () => {
        if (stream.aborted || stream.destroyed) return
        request.complete = true
        stream.respond({ ':status': 200, 'content-type': 'text/plain' })
        stream.end(echoOf(request.method, request.target), 'latin1')
      })
    })
  })
  await listen(server)
  return {
    protocol: 'h2',
    address: addressOf(server),
    begin() {
      seen = []
      problems = []
    },
    requests: () => seen,
    problems: () => problems,
    octets: () => [],
    unfinished: () => [],
    sendLater: async () => undefined,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function addressOf(server: { address(): unknown }): FramingAddress {
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

async function listen(server: { listen(port: number, host: string, done: () => void): unknown }): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
}
