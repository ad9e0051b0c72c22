import { SdError } from '@sd/core'
import { type BodyOutput, type CreateBodyTransform, throughStream } from '@sd/gateway'
import { type Coding, createDecoder } from './codings.ts'
import type { DecompressOptions } from './compress-options.ts'
import type { StreamPool } from './stream-pool.ts'

/** Bytes for which no ratio applies: small bodies of zeros are common, and harmless. */
const freeBytes = 65_536

/** Decodes a body. One that is not valid fails with `SD_INVALID`, one that becomes too large with `SD_TOO_LARGE`. */
export function decodeBody(
  coding: Coding,
  { maxBytes, maxRatio }: Required<DecompressOptions>,
  pool: StreamPool,
): CreateBodyTransform {
  return (output) => {
    let received = 0
    let produced = 0
    const guarded: BodyOutput = {
      write(chunk) {
        produced += chunk.byteLength
        if (produced <= maxBytes && (produced <= freeBytes || produced <= received * maxRatio)) return output.write(chunk)
        output.fail(new SdError('SD_TOO_LARGE', `The decoded request body is too large: ${produced} bytes of ${received}`))
        return false
      },
      end: (rawTrailers) => output.end(rawTrailers),
      drain: () => output.drain(),
      fail: (cause) => output.fail(new SdError('SD_INVALID', `The request body is not valid ${coding}`, { cause })),
    }
    const transform = throughStream(() => pool.add(createDecoder(coding)))(guarded)
    return {
      ...transform,
      write(chunk) {
        received += chunk.byteLength
        return transform.write(chunk)
      },
    }
  }
}
