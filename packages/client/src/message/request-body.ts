import { invalidError, type RequestBody, SdError } from '@sd/core'
import type { TransportBody } from '../transport/transport.ts'
import { encodeForm } from './form-data.ts'
import { describeKind } from './request-check.ts'

/** A body that is ready to be sent. */
export interface PreparedBody {
  /** The body. */
  readonly body: TransportBody
  /** Its `content-type`, if its encoding decides it. */
  readonly contentType?: string
  /** Its length in bytes, if the body itself has none. */
  readonly length?: number
  /** Whether it can be sent again. */
  readonly replayable: boolean
}

const noBody: PreparedBody = { body: null, replayable: true }

/**
 * The body of a call: the given one, or the JSON text. @throws SdError `SD_INVALID` if both are given, or the value has
 * no JSON
 */
export function chooseBody(body: RequestBody | undefined, json: unknown): RequestBody | undefined {
  if (json === undefined) {
    // Listen now: the call may wait before it prepares its body.
    listenToStream(body)
    return body
  }
  if (body !== undefined) throw invalidError('body', 'a body beside json', 'only one of body and json')
  let text: string | undefined
  try {
    text = JSON.stringify(json)
  } catch {
    // A cycle, a bigint, or a `toJSON` that throws.
  }
  if (text === undefined)
    throw new SdError('SD_INVALID', `Invalid json: ${describeKind(json)} can't be encoded as JSON`, { field: 'json' })
  return text
}

/** The `content-type` that a body implies, unless its encoding decides it. @throws SdError `SD_INVALID` if the value can't be sent */
export function contentTypeOf(body: RequestBody | undefined): string | undefined {
  if (body === undefined || ArrayBuffer.isView(body)) return undefined
  if (typeof body === 'string') return 'text/plain;charset=UTF-8'
  if (body instanceof URLSearchParams) return 'application/x-www-form-urlencoded;charset=UTF-8'
  if (typeof body !== 'object' || body === null || !isBody(body)) throw unsendable(body)
  return undefined
}

function unsendable(body: unknown): SdError {
  const kinds = 'a string, bytes, URLSearchParams, FormData, Blob, ReadableStream or AsyncIterable'
  return new SdError('SD_INVALID', `Invalid body: got ${describeKind(body)}, want ${kinds}`, { field: 'body' })
}

/**
 * Prevents an unhandled 'error' event, which would end the process, if a Node stream breaks before it is read. The
 * reader still receives the error.
 */
function listenToStream(body: RequestBody | undefined): void {
  if (typeof body !== 'object' || body === null || !('on' in body) || typeof body.on !== 'function') return
  if (listened.has(body)) return
  listened.add(body)
  body.on('error', ignore)
}

const listened = new WeakSet<object>()

function ignore(): void {}

/** Whether it is `FormData`: the platform's or undici's, which is another class. */
export function isFormData(body: unknown): body is FormData {
  return typeof body === 'object' && body !== null && Symbol.toStringTag in body && body[Symbol.toStringTag] === 'FormData'
}

function isBody(body: object): boolean {
  return body instanceof ArrayBuffer || isFormData(body) || body instanceof Blob || Symbol.asyncIterator in body
}

/** Blobs have a length and can be read again. */
function prepareBlob(blob: Blob, contentType: string): PreparedBody {
  const stream = (): ReadableStream<Uint8Array> => blob.stream()
  const body: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => stream()[Symbol.asyncIterator]() }
  return { body, length: blob.size, replayable: true, ...(contentType && { contentType }) }
}

/** Prepares a body for sending. @throws SdError `SD_INVALID` if the value can't be sent */
export function prepareBody(body: RequestBody | null | undefined): PreparedBody {
  if (body === undefined || body === null) return noBody
  if (typeof body === 'string') return { body, replayable: true }
  if (body instanceof Uint8Array) return { body, replayable: true }
  if (body instanceof ArrayBuffer) return { body: new Uint8Array(body), replayable: true }
  if (ArrayBuffer.isView(body)) {
    return { body: new Uint8Array(body.buffer, body.byteOffset, body.byteLength), replayable: true }
  }
  if (body instanceof URLSearchParams) {
    return { body: body.toString(), replayable: true }
  }
  if (isFormData(body)) {
    const { blob, contentType } = encodeForm(body)
    return prepareBlob(blob, contentType)
  }
  if (body instanceof Blob) return prepareBlob(body, body.type)
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) {
    listenToStream(body)
    return { body, replayable: false }
  }
  throw unsendable(body)
}
