import { type CreateBodyTransform, throughStream } from '@sd/gateway'
import { type Coding, createEncoder } from './codings.ts'
import type { StreamPool } from './stream-pool.ts'

/** How long a body may pause before the part so far is sent, in milliseconds. */
const flushAfterMs = 10

/**
 * Encodes a body.
 *
 * @param options.flushes whether what was encoded so far is sent when the sender pauses: for a body of unknown length, whose
 * reader may wait for its next part
 */
export function encodeBody(
  coding: Coding,
  options: { readonly level: number; readonly flushes: boolean; readonly pool: StreamPool },
): CreateBodyTransform {
  return (output) => {
    const stream = options.pool.add(createEncoder(coding, options.level))
    const transform = throughStream(() => stream)(output)
    if (!options.flushes) return transform
    let timer: NodeJS.Timeout | undefined
    return {
      ...transform,
      write(chunk) {
        timer ??= setTimeout(() => stream.flush(), flushAfterMs)
        timer.refresh()
        return transform.write(chunk)
      },
      end(rawTrailers) {
        clearTimeout(timer)
        transform.end(rawTrailers)
      },
      destroy() {
        clearTimeout(timer)
        transform.destroy?.()
      },
    }
  }
}
