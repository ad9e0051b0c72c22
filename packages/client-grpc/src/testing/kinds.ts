import type * as Grpc from '@grpc/grpc-js'
import type { GrpcJs, Message, OrdersClient } from './orders.ts'

/** The kinds of calls. */
export const kinds = ['unary', 'client stream', 'server stream', 'bidi'] as const

/** One of {@link kinds}. */
export type Kind = (typeof kinds)[number]

/** A call in progress. */
export interface KindCall {
  /** The text of all responses. Rejects with the `ServiceError`. */
  readonly reply: Promise<string>
  /** Cancels it. */
  cancel(): void
}

/** Options of {@link callKind}. */
export interface KindOptions extends Grpc.CallOptions {
  /** Metadata to send. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Whether to wait for a connection. */
  readonly waitForReady?: boolean
  /** Whether the request stays open. */
  readonly staysOpen?: boolean
}

/** Makes a call of a kind with one message. */
export function callKind(grpc: GrpcJs, client: OrdersClient, kind: Kind, given: KindOptions = {}): KindCall {
  const { metadata: fields = {}, waitForReady = false, staysOpen = false, ...options } = given
  const metadata = new grpc.Metadata({ waitForReady })
  for (const [key, value] of Object.entries(fields)) metadata.set(key, value)
  let call: { cancel(): void } | undefined
  const reply = new Promise<string>((resolve, reject) => {
    const done = (error: Grpc.ServiceError | null, message?: Message): void => {
      if (error) reject(error)
      else resolve(message?.text ?? '')
    }
    if (kind === 'unary') call = client.unary({ text: 'x' }, metadata, options, done)
    else if (kind === 'client stream') {
      const stream = client.collect(metadata, options, done)
      stream.on('error', () => undefined)
      stream.write({ text: 'x' })
      if (!staysOpen) stream.end()
      call = stream
    } else if (kind === 'server stream') call = collect(client.list({ text: 'x' }, metadata, options), resolve, reject)
    else {
      const stream = client.chat(metadata, options)
      call = collect(stream, resolve, reject)
      stream.write({ text: 'x' })
      if (!staysOpen) stream.end()
    }
  })
  // A test that cancels the call may not read the response.
  reply.catch(() => undefined)
  return { reply, cancel: () => call?.cancel() }
}

function collect<Stream extends Grpc.ClientReadableStream<Message> | Grpc.ClientDuplexStream<Message, Message>>(
  stream: Stream,
  resolve: (text: string) => void,
  reject: (error: Error) => void,
): Stream {
  const texts: string[] = []
  stream.on('data', ({ text }: Message) => texts.push(text))
  stream.on('end', () => resolve(texts.join()))
  stream.on('error', reject)
  return stream
}
