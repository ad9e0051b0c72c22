import { SdError, type SdErrorCode, toSdError } from '@sd/core'
import { wantedPermission } from '../nacos-error.ts'
import { isRefusedLength } from '../server-texts.ts'
import type { NacosPayload } from './payload.ts'

/** `resultCode` of a successful response. */
const success = 200

/** `errorCode` of Nacos for a request on a connection that the server does not know, or no longer. */
export const UNREGISTERED = 301

const responseCodes: Readonly<Record<number, SdErrorCode>> = {
  302: 'SD_UNSUPPORTED',
  400: 'SD_INVALID',
  403: 'SD_DENIED',
  501: 'SD_UNSUPPORTED',
  [-400]: 'SD_INVALID',
}

/**
 * Codes of gRPC itself. Those of `@sd/grpc-status` are about a call. Here they are about a connection, which is made again:
 * a server that ends its stream with `CANCELLED` is unavailable; the caller has not aborted. `RESOURCE_EXHAUSTED` is a message above
 * the limit of a side, `UNIMPLEMENTED` another kind of server.
 */
const statusCodes: Readonly<Record<number, SdErrorCode>> = {
  4: 'SD_TIMEOUT',
  7: 'SD_DENIED',
  8: 'SD_TOO_LARGE',
  12: 'SD_UNSUPPORTED',
  16: 'SD_DENIED',
}

/** Returns the error that a response reports, or `undefined` for success. */
export function readResponseError(name: string, { type, body }: NacosPayload, namespace?: string): SdError | undefined {
  const { resultCode, errorCode, message } = body
  if (resultCode === success) return undefined
  const text = String(message ?? '').slice(0, 300)
  const code = isRefusedLength(text) ? 'SD_TOO_LARGE' : (responseCodes[Number(errorCode)] ?? 'SD_UNAVAILABLE')
  const hint = code === 'SD_DENIED' ? ` (${wantedPermission(namespace)})` : ''
  return new SdError(code, `${name} responded to ${type.replace(/Response$/, '')} with ${String(errorCode)}: ${text}${hint}`)
}

/** Converts an error of gRPC. */
export function toGrpcError(name: string, caught: unknown): SdError {
  const { code, details } = caught as { readonly code?: unknown; readonly details?: unknown }
  if (typeof code !== 'number') return toSdError(caught, 'SD_UNAVAILABLE', `${name} can't be reached`)
  const text = String(details ?? '').slice(0, 300)
  return new SdError(statusCodes[code] ?? 'SD_UNAVAILABLE', `${name} can't be reached by gRPC: ${text}`, { cause: caught })
}
