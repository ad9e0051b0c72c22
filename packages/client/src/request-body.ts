import { invalid } from '@sd/core'
import type { TransportBody } from './transport.ts'

/** What may be sent as a body. Strings, bytes and form fields can be sent again on a second attempt; streams can't once they were read. */
export type RequestBody =
  | string
  | Uint8Array
  | ArrayBuffer
  | URLSearchParams
  | FormData
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>

/** A body that is ready to be sent. */
export interface PreparedBody {
  /** The body. */
  readonly body: TransportBody
  /** Its `content-type`, if it implies one. */
  readonly contentType?: string
  /** Whether it can be sent again. */
  readonly replayable: boolean
}

const noBody: PreparedBody = { body: null, replayable: true }

/** Makes a body ready. @throws SdError `SD_INVALID` if both are given, or the value can't be sent */
export function prepareBody(body: RequestBody | undefined, json: unknown): PreparedBody {
  if (json !== undefined) {
    if (body !== undefined) throw invalid('body', 'a body beside json', 'only one of body and json')
    return { body: JSON.stringify(json), contentType: 'application/json', replayable: true }
  }
  if (body === undefined) return noBody
  if (typeof body === 'string') return { body, contentType: 'text/plain;charset=UTF-8', replayable: true }
  if (body instanceof Uint8Array) return { body, replayable: true }
  if (body instanceof ArrayBuffer) return { body: new Uint8Array(body), replayable: true }
  if (body instanceof URLSearchParams) {
    return { body: body.toString(), contentType: 'application/x-www-form-urlencoded;charset=UTF-8', replayable: true }
  }
  if (body instanceof FormData || body instanceof Blob) {
    // Response knows how to encode both, boundary and content type included.
    const encoded = new Response(body)
    const contentType = encoded.headers.get('content-type')
    return { body: encoded.body as AsyncIterable<Uint8Array>, replayable: false, ...(contentType && { contentType }) }
  }
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) return { body, replayable: false }
  throw invalid('body', body, 'a string, bytes, URLSearchParams, FormData, Blob, ReadableStream or AsyncIterable')
}
