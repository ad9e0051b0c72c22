import type * as Grpc from '@grpc/grpc-js'
import type { GrpcJs, Message, OrdersClient } from './orders.ts'

/** The kinds of calls. */
export const kinds = ['unary', 'client stream', 'server stream', 'bidi'] as const

/** One of {@link kinds}. */
export type Kind = (typeof kinds)[number]

/** A call under way. */
export interface KindCall {
  /** What was answered, as one text. Rejects with the `ServiceError`. */
  readonly answer: Promise<string>
  /** Ends it. */
  cancel(): void
}

/** Options of {@link callKind}. */
export interface KindOptions extends Grpc.CallOptions {
  /** Metadata to send. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Whether to wait for a connection. */
  readonly waitForReady?: boolean
  /** Whether the request is left open. */
  readonly staysOpen?: boolean
}

/** Makes a call of a kind, each with one message. */
export function callKind(grpc: GrpcJs, client: OrdersClient, kind: Kind, given: KindOptions = {}): KindCall {
  const { metadata: fields = {}, waitForReady = false, staysOpen = false, ...options } = given
  const metadata = new grpc.Metadata({ waitForReady })
  for (const [key, value] of Object.entries(fields)) metadata.set(key, value)
  let call: { cancel(): void } | undefined
  const answer = new Promise<string>((resolve, reject) => {
    const done = (error: Grpc.ServiceError | null, answered?: Message): void => {
      if (error) reject(error)
      else resolve(answered?.text ?? '')
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
  // Who cancels may not ask for the answer.
  answer.catch(() => undefined)
  return { answer, cancel: () => call?.cancel() }
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
