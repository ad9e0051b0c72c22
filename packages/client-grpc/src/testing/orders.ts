import type * as Grpc from '@grpc/grpc-js'

/** grpc-js, of whichever version is under test. */
export type GrpcJs = typeof Grpc

/** The one message of the test service. */
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

type Callback = (error: Grpc.ServiceError | null, answer?: Message) => void
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
  /** What to send. */
  readonly text?: string
  /** Metadata to send. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Whether to wait for a connection. */
  readonly waitForReady?: boolean
  /** Given the call once it is made. */
  readonly onCall?: (call: Grpc.ClientUnaryCall) => void
}

/** One client of the service, as generated code would make it. */
export function createOrdersClient(
  grpc: GrpcJs,
  target: string,
  credentials: Grpc.ChannelCredentials = grpc.credentials.createInsecure(),
  options: Grpc.ClientOptions = {},
): OrdersClient {
  const OrdersClient = grpc.makeGenericClientConstructor(ordersDefinition, 'Orders')
  return new OrdersClient(target, credentials, options) as unknown as OrdersClient
}

/** Makes a unary call; resolves with the text of the answer. */
export function call(grpc: GrpcJs, client: OrdersClient, spec: CallSpec = {}): Promise<string> {
  const { text = '', metadata: fields = {}, waitForReady = false, onCall, ...options } = spec
  const metadata = new grpc.Metadata({ waitForReady })
  for (const [key, value] of Object.entries(fields)) metadata.set(key, value)
  return new Promise((resolve, reject) => {
    const made = client.unary({ text }, metadata, options, (error, answer) => {
      if (error) reject(error)
      else resolve((answer as Message).text)
    })
    onCall?.(made)
  })
}

/** A real server of the service. */
export interface OrdersServer {
  /** Name that it answers with. */
  readonly name: string
  /** Where it listens. */
  readonly port: number
  /** Number of calls that it got. */
  readonly calls: number
  /** Stops accepting and waits for calls under way. */
  shutdown(): Promise<void>
  /** Cuts everything. */
  kill(): void
}

/** What a server does with a call instead of answering it. */
export type Misbehaviour =
  | 'hang'
  /** Sends the head, and nothing more. */
  | 'hang after the head'
  /** Fails with a status. */
  | { readonly code: number; readonly details?: string; readonly metadata?: Readonly<Record<string, string>> }

/** A call as a server sees it, of any kind. */
export type IncomingCall = Grpc.ServerUnaryCall<Message, Message> | Grpc.ServerDuplexStream<Message, Message>

/** Options of {@link startOrdersServer}. */
export interface OrdersServerOptions {
  /** What it does with a call of any kind; `undefined` to answer it. @default answers */
  readonly behave?: (call: IncomingCall) => Misbehaviour | undefined
  /** Answers unary calls. @default with the server's name */
  readonly unary?: (
    call: Grpc.ServerUnaryCall<Message, Message>,
    answer: (text: string) => void,
    fail: (code: number) => void,
  ) => void
  /** Credentials. @default none */
  readonly credentials?: Grpc.ServerCredentials
  /** Where to listen. @default 0, any */
  readonly port?: number
}

/** Starts a server on loopback. */
export async function startOrdersServer(grpc: GrpcJs, name: string, options: OrdersServerOptions = {}): Promise<OrdersServer> {
  const server = new grpc.Server()
  const { unary = (_call, answer) => answer(name), credentials = grpc.ServerCredentials.createInsecure(), behave } = options
  let calls = 0
  /** Whether a call was dealt with. */
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
