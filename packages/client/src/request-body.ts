import { invalid, type RequestBody } from '@sd/core'
import type { TransportBody } from './transport.ts'

/** A body that is ready to be sent. */
export interface PreparedBody {
  /** The body. */
  readonly body: TransportBody
  /** Its `content-type`, if its encoding decides it. */
  readonly contentType?: string
  /** Whether it can be sent again. */
  readonly replayable: boolean
}

const noBody: PreparedBody = { body: null, replayable: true }

/** The body of a call: what was given, or the text of the JSON. @throws SdError `SD_INVALID` if both are given */
export function chooseBody(body: RequestBody | undefined, json: unknown): RequestBody | undefined {
  if (json === undefined) return body
  if (body !== undefined) throw invalid('body', 'a body beside json', 'only one of body and json')
  return JSON.stringify(json)
}

/** The `content-type` that a body implies, unless its encoding decides it. @throws SdError `SD_INVALID` if the value can't be sent */
export function contentTypeOf(body: RequestBody | undefined): string | undefined {
  if (body === undefined || body instanceof Uint8Array) return undefined
  if (typeof body === 'string') return 'text/plain;charset=UTF-8'
  if (body instanceof URLSearchParams) return 'application/x-www-form-urlencoded;charset=UTF-8'
  if (typeof body !== 'object' || body === null || !isBody(body)) throw invalid('body', body, bodyKinds)
  return undefined
}

const bodyKinds = 'a string, bytes, URLSearchParams, FormData, Blob, ReadableStream or AsyncIterable'

function isBody(body: object): boolean {
  return body instanceof ArrayBuffer || body instanceof FormData || body instanceof Blob || Symbol.asyncIterator in body
}

/** Makes a body ready. @throws SdError `SD_INVALID` if the value can't be sent */
export function prepareBody(body: RequestBody | null | undefined): PreparedBody {
  if (body === undefined || body === null) return noBody
  if (typeof body === 'string') return { body, replayable: true }
  if (body instanceof Uint8Array) return { body, replayable: true }
  if (body instanceof ArrayBuffer) return { body: new Uint8Array(body), replayable: true }
  if (body instanceof URLSearchParams) {
    return { body: body.toString(), replayable: true }
  }
  if (body instanceof FormData || body instanceof Blob) {
    // Response knows how to encode both, boundary and content type included.
    const encoded = new Response(body)
    const contentType = encoded.headers.get('content-type')
    return { body: encoded.body as AsyncIterable<Uint8Array>, replayable: false, ...(contentType && { contentType }) }
  }
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) return { body, replayable: false }
  throw invalid('body', body, bodyKinds)
}
