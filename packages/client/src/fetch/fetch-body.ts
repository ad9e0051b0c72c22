import type { ServiceResponse } from '../message/service-response.ts'
import { toFetchError } from './fetch-errors.ts'

/** A body that is read by a stream. */
interface Source {
  readonly chunks: AsyncIterator<Uint8Array>
  readonly controller: ReadableStreamDefaultController<Uint8Array>
}

/** Signals may outlive responses: stops listening once an unread response is garbage collected. */
const forgotten = new FinalizationRegistry<() => void>((stop) => stop())

/** The body of a response as in `fetch`: the signal ends it until it was read, even if it is complete. */
export function toStream({ body }: ServiceResponse, signal: AbortSignal | null | undefined): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  let stop: (() => void) | undefined
  // Without a prototype, so that properties added to it do not become options of the stream.
  const source = {
    __proto__: null,
    start(controller: ReadableStreamDefaultController<Uint8Array>): void {
      if (signal) stop = watch(signal, { chunks, controller })
    },
    async pull(controller: ReadableStreamDefaultController<Uint8Array>) {
      try {
        const { done, value } = await chunks.next()
        if (signal?.aborted) return
        if (!done) controller.enqueue(value)
        else {
          stop?.()
          controller.close()
        }
      } catch (error) {
        stop?.()
        controller.error(toFetchError(error, signal))
      }
    },
    async cancel() {
      stop?.()
      await chunks.return?.()
    },
  }
  return new ReadableStream(
    source as unknown as { pull(controller: ReadableStreamDefaultController<Uint8Array>): void },
    new CountQueuingStrategy({ highWaterMark: 1 }),
  )
}

function watch(signal: AbortSignal, source: Source): () => void {
  const held = new WeakRef(source.controller)
  const { chunks } = source
  const listener = (): void => {
    held.deref()?.error(signal.reason)
    void chunks.return?.()
  }
  const stop = (): void => {
    signal.removeEventListener('abort', listener)
    forgotten.unregister(source.controller)
  }
  signal.addEventListener('abort', listener, { once: true })
  forgotten.register(source.controller, () => signal.removeEventListener('abort', listener), source.controller)
  return stop
}
