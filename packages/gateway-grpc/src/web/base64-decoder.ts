import { SdError } from '@sd/core'
import type { CreateBodyTransform } from '@sd/gateway'

const alphabet = /^[\w+/-]*={0,2}$/

/**
 * Decodes a body in base64, which may consist of parts with padding of their own
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md).
 */
export const decodeBase64: CreateBodyTransform = (output) => {
  let rest = ''

  function decode(text: string): boolean {
    const parts = text.match(/[^=]+={0,2}/g) ?? []
    if (parts.join('') !== text || parts.some((part) => part.length % 4 !== 0 || !alphabet.test(part))) {
      output.fail(new SdError('SD_INVALID', 'The request body is not valid base64'))
      return true
    }
    return parts.length === 0 || output.write(Buffer.concat(parts.map((part) => Buffer.from(part, 'base64'))))
  }

  return {
    write(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      const text = rest + bytes.toString('latin1').replaceAll(/[\r\n]/g, '')
      const whole = text.length - (text.length % 4)
      rest = text.slice(whole)
      return decode(text.slice(0, whole))
    },
    end(rawTrailers) {
      if (rest === '') output.end(rawTrailers)
      else output.fail(new SdError('SD_INVALID', 'The request body ends inside a group of base64'))
    },
  }
}
