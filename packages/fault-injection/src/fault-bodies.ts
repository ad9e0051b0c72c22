import { SdError } from '@sd/core'

/** A body without content. */
export async function* emptyBody(): AsyncGenerator<Uint8Array> {}

/** A body that breaks off after `bytes`, as if the connection had ended. A shorter body is unchanged. */
export async function* cutBody(body: AsyncIterable<Uint8Array>, bytes: number, rule: string): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const chunk of body) {
    if (chunk.length > left) {
      if (left > 0) yield chunk.subarray(0, left)
      throw new SdError('SD_UNAVAILABLE', `The connection broke after ${bytes} bytes (injected by ${rule})`)
    }
    left -= chunk.length
    yield chunk
  }
}
