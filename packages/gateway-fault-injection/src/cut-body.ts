import { SdError } from '@sd/core'
import type { CreateBodyTransform } from '@sd/gateway'

/** Breaks a response off after a number of bytes of its body, once these are sent. A shorter body is unchanged. */
export function cutBody(bytes: number, rule: string): CreateBodyTransform {
  return (output) => {
    let left = bytes
    let isCut = false
    let next: NodeJS.Immediate | undefined
    const cut = (): void => {
      output.fail(new SdError('SD_UNAVAILABLE', `The response was cut after ${bytes} bytes (injected by ${rule})`))
    }
    return {
      write(chunk) {
        if (isCut) return false
        if (chunk.byteLength <= left) {
          left -= chunk.byteLength
          return output.write(chunk)
        }
        isCut = true
        const isFree = left === 0 || output.write(chunk.subarray(0, left))
        // What was written in this turn of the event loop is sent at its end.
        if (isFree) next = setImmediate(cut)
        return false
      },
      end(rawTrailers) {
        if (!isCut) output.end(rawTrailers)
      },
      resume() {
        if (isCut) next ??= setImmediate(cut)
        else output.drain()
      },
      destroy: () => clearImmediate(next),
    }
  }
}
