import type { Duplex } from 'node:stream'

/** Where a {@link BodyTransform} sends its result, and reports its state. */
export interface BodyOutput {
  /** Sends a chunk on. Returns false if the transform should wait for {@link BodyTransform.resume}. */
  write(chunk: Uint8Array): boolean
  /** The body is complete. @param rawTrailers names and values in turn. @default none */
  end(rawTrailers?: readonly string[]): void
  /** The transform takes chunks again, after its `write` has returned false. */
  drain(): void
  /** Ends the exchange: the client receives an incomplete response. */
  fail(error: unknown): void
}

/** Changes a body on its way. An exception in it ends the exchange, as {@link BodyOutput.fail} does. */
export interface BodyTransform {
  /** Takes a chunk. Returns false if it wants no more until it calls {@link BodyOutput.drain}. */
  write(chunk: Uint8Array): boolean
  /** The body is complete. The transform calls {@link BodyOutput.end}, at once or later. */
  end(rawTrailers: readonly string[]): void
  /**
   * The output takes chunks again. @default the sender continues: for a transform whose `write` returns what the output has
   * returned
   */
  resume?(): void
  /** The exchange has ended, possibly before the body was complete. Idempotent. */
  destroy?(): void
}

/** Creates the transform of one body. */
export type CreateBodyTransform = (output: BodyOutput) => BodyTransform

/** Uses a stream of Node.js, such as `createGzip()`, as a transform. Trailer fields are passed on. */
export function throughStream(create: () => Duplex): CreateBodyTransform {
  return (output) => {
    const stream = create()
    let trailers: readonly string[] = []
    stream.on('data', (chunk: Uint8Array) => {
      if (!output.write(chunk)) stream.pause()
    })
    stream.on('drain', () => output.drain())
    stream.on('end', () => output.end(trailers))
    stream.on('error', (error) => output.fail(error))
    return {
      write: (chunk) => stream.write(chunk),
      end(rawTrailers) {
        trailers = rawTrailers
        stream.end()
      },
      resume: () => void stream.resume(),
      destroy: () => void stream.destroy(),
    }
  }
}
