import type { Transform } from 'node:stream'
import zlib from 'node:zlib'

/** A content coding of HTTP. */
export type Coding = 'zstd' | 'br' | 'gzip' | 'deflate'

/** All codings. */
export const codings: readonly Coding[] = ['zstd', 'br', 'gzip', 'deflate']

/** Levels of a coding: the lowest, the highest, and the default. */
export const levels: Readonly<Record<Coding, { readonly min: number; readonly max: number; readonly usual: number }>> = {
  zstd: { min: 1, max: 19, usual: 3 },
  br: { min: 0, max: 11, usual: 4 },
  gzip: { min: 1, max: 9, usual: 6 },
  deflate: { min: 1, max: 9, usual: 6 },
}

/** Whether this runtime has a coding: Bun and old versions of Node.js have no zstd. */
export function isAvailable(coding: Coding): boolean {
  return coding !== 'zstd' || typeof zlib.createZstdCompress === 'function'
}

/** 512 KiB: a larger window costs memory for each response, and gains little for those of services. */
const windowBits = 19

/** A stream that encodes, and that has `flush`. */
export type Encoder = Transform & { flush(): void }

const { constants } = zlib

/** Creates a stream that encodes. */
export function createEncoder(coding: Coding, level: number): Encoder {
  if (coding === 'gzip') return zlib.createGzip({ level })
  if (coding === 'deflate') return zlib.createDeflate({ level })
  if (coding === 'br') {
    const { BROTLI_PARAM_QUALITY: quality, BROTLI_PARAM_LGWIN: window } = constants
    return zlib.createBrotliCompress({ params: { [quality]: level, [window]: windowBits } })
  }
  const { ZSTD_c_compressionLevel: compressionLevel, ZSTD_c_windowLog: windowLog } = constants
  return zlib.createZstdCompress({ params: { [compressionLevel]: level, [windowLog]: windowBits } })
}

/** RFC 8878 and RFC 9659: a decoder of HTTP needs no larger window than 8 MiB. */
const mostWindowBits = 23

/** Creates a stream that decodes. */
export function createDecoder(coding: Coding): Transform {
  if (coding === 'gzip') return zlib.createGunzip()
  if (coding === 'deflate') return zlib.createInflate()
  if (coding === 'br') return zlib.createBrotliDecompress()
  return zlib.createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: mostWindowBits } })
}
