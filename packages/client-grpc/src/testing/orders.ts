import type * as Grpc from '@grpc/grpc-js'

/** The version of grpc-js under test. */
export type GrpcJs = typeof Grpc

/** The only message type of the test service. */
export interface Message {
  /** Any text. */
  readonly text: string
}

function serialize({ text }: Message): Buffer {
  return Buffer.from(text)
}

function deserialize(bytes: Buffer): Message {
  return { text: bytes.toString() }
}

function method(name: string, requestStream: boolean, responseStream: boolean): Grpc.MethodDefinition<Message, Message> {
  return {
    path: `/shop.Orders/${name}`,
    requestStream,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  }
}

/** A service with a method of each kind. */
export const ordersDefinition: Grpc.ServiceDefinition = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  list: method('List', false, true),
  chat: method('Chat', true, true),
}

type Callback = (error: Grpc.ServiceError | null, reply?: Message) => void
type UnaryOptions = [request: Message, metadata: Grpc.Metadata, options: Grpc.CallOptions, callback: Callback]

/** The client of {@link ordersDefinition}. */
export interface OrdersClient extends Grpc.Client {
  unary(...options: UnaryOptions): Grpc.ClientUnaryCall
  collect(callback: Callback): Grpc.ClientWritableStream<Message>
  collect(metadata: Grpc.Metadata, options: Grpc.CallOptions, callback: Callback): Grpc.ClientWritableStream<Message>
  list(request: Message, metadata?: Grpc.Metadata, options?: Grpc.CallOptions): Grpc.ClientReadableStream<Message>
  chat(metadata?: Grpc.Metadata, options?: Grpc.CallOptions): Grpc.ClientDuplexStream<Message, Message>
}

/** Options of {@link call}. */
export interface CallSpec extends Grpc.CallOptions {
  /** Text to send. */
  readonly text?: string
  /** Metadata to send. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Whether to wait for a connection. */
  readonly waitForReady?: boolean
  /** Receives the call. */
  readonly onCall?: (call: Grpc.ClientUnaryCall) => void
}

/** A client of the service, as generated code creates it. */
export function createOrdersClient(
  grpc: GrpcJs,
  target: string,
  credentials: Grpc.ChannelCredentials = grpc.credentials.createInsecure(),
  options: Grpc.ClientOptions = {},
): OrdersClient {
  const OrdersClient = grpc.makeGenericClientConstructor(ordersDefinition, 'Orders')
  return new OrdersClient(target, credentials, options) as unknown as OrdersClient
}

/** Makes a unary call; resolves with the text of the response. */
export function call(grpc: GrpcJs, client: OrdersClient, spec: CallSpec = {}): Promise<string> {
  const { text = '', metadata: fields = {}, waitForReady = false, onCall, ...options } = spec
  const metadata = new grpc.Metadata({ waitForReady })
  for (const [key, value] of Object.entries(fields)) metadata.set(key, value)
  return new Promise((resolve, reject) => {
    const made = client.unary({ text }, metadata, options, (error, reply) => {
      if (error) reject(error)
      else resolve((reply as Message).text)
    })
    onCall?.(made)
  })
}

/** A real server of the service. */
export interface OrdersServer {
  /** Name in its responses. */
  readonly name: string
  /** Address on which it listens. */
  readonly port: number
  /** Number of calls received. */
  readonly calls: number
  /** Stops accepting calls and waits for those in progress. */
  shutdown(): Promise<void>
  /** Closes all connections at once. */
  kill(): void
}

/** Behaviour of a server that does not respond to a call. */
export type Misbehaviour =
  | 'hang'
  /** Sends only the head. */
  | 'hang after the head'
  /** Fails with a status. */
  | { readonly code: number; readonly details?: string; readonly metadata?: Readonly<Record<string, string>> }

/** A call as a server sees it, of any kind. */
export type IncomingCall = Grpc.ServerUnaryCall<Message, Message> | Grpc.ServerDuplexStream<Message, Message>

/** Options of {@link startOrdersServer}. */
export interface OrdersServerOptions {
  /** Behaviour for a call of any kind; `undefined` to respond. @default responds */
  readonly behave?: (call: IncomingCall) => Misbehaviour | undefined
  /** Responds to unary calls. @default with the server's name */
  readonly unary?: (
    call: Grpc.ServerUnaryCall<Message, Message>,
    reply: (text: string) => void,
    fail: (code: number) => void,
  ) => void
  /** Credentials. @default none */
  readonly credentials?: Grpc.ServerCredentials
  /** Port to listen on. @default 0, any free port */
  readonly port?: number
}

/** Starts a server on loopback. */
export async function startOrdersServer(grpc: GrpcJs, name: string, options: OrdersServerOptions = {}): Promise<OrdersServer> {
  const server = new grpc.Server()
  const { unary = (_call, reply) => reply(name), credentials = grpc.ServerCredentials.createInsecure(), behave } = options
  let calls = 0
  /** Applies the configured behaviour. @returns whether the call was handled */
  function misbehave(call: IncomingCall, fail: (status: object) => void): boolean {
    calls++
    const behaviour = behave?.(call)
    if (behaviour === undefined) return false
    if (behaviour === 'hang after the head') call.sendMetadata(new grpc.Metadata())
    if (typeof behaviour === 'string') return true
    const metadata = new grpc.Metadata()
    for (const [key, value] of Object.entries(behaviour.metadata ?? {})) metadata.set(key, value)
    fail({ code: behaviour.code, details: behaviour.details ?? 'as asked', metadata })
    return true
  }
  server.addService(ordersDefinition, {
    unary(call: Grpc.ServerUnaryCall<Message, Message>, callback: Grpc.sendUnaryData<Message>) {
      if (misbehave(call, (status) => callback(status as Grpc.ServiceError))) return
      unary(
        call,
        (text) => callback(null, { text }),
        (code) => callback({ code, details: 'as asked' }),
      )
    },
    collect(call: Grpc.ServerReadableStream<Message, Message>, callback: Grpc.sendUnaryData<Message>) {
      if (misbehave(call as never, (status) => callback(status as Grpc.ServiceError))) return
      const texts: string[] = []
      call.on('data', ({ text }: Message) => texts.push(text))
      call.on('end', () => callback(null, { text: texts.join() }))
    },
    list(call: Grpc.ServerWritableStream<Message, Message>) {
      if (misbehave(call as never, (status) => call.emit('error', status))) return
      for (const text of call.request.text.split(',')) call.write({ text })
      call.end()
    },
    chat(call: Grpc.ServerDuplexStream<Message, Message>) {
      call.on('error', () => undefined)
      if (misbehave(call, (status) => call.emit('error', status))) return
      call.on('data', ({ text }: Message) => call.write({ text: `${name}: ${text}` }))
      call.on('end', () => call.end())
    },
  } as unknown as Grpc.UntypedServiceImplementation)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return {
    name,
    port,
    get calls() {
      return calls
    },
    shutdown: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    kill: () => server.forceShutdown(),
  }
}
