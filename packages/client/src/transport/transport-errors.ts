import { type OutcomeOrigin, SdError, type SdErrorCode } from '@sd/core'
import { lengthError } from '../message/upload.ts'

/** The meaning of an error of a library or of the system. */
export interface ErrorMeaning {
  /** Code of the `SdError`. */
  readonly code: SdErrorCode
  /** Origin of the error. */
  readonly origin: OutcomeOrigin
  /** Whether another attempt may help. */
  readonly retryable: boolean
  /** False if the peer can't have seen the request. @default unknown: the transport decides */
  readonly wasSent?: false
}

const caller = (code: SdErrorCode): ErrorMeaning => ({ code, origin: 'caller', retryable: false })
const local = (code: SdErrorCode): ErrorMeaning => ({ code, origin: 'local', retryable: false, wasSent: false })
const peer = (code: SdErrorCode): ErrorMeaning => ({ code, origin: 'peer', retryable: false })
const broken: ErrorMeaning = { code: 'SD_UNAVAILABLE', origin: 'network', retryable: true }
const unreachable: ErrorMeaning = { ...broken, wasSent: false }
const late: ErrorMeaning = { code: 'SD_TIMEOUT', origin: 'peer', retryable: true }

/** Codes of undici, of Node's and Bun's sockets and fetch, each with its meaning. Other codes mean a broken connection. */
const meanings: ReadonlyMap<string, ErrorMeaning> = new Map<string, ErrorMeaning>([
  // undici: errors in the request, and limits of its user.
  ['UND_ERR_INVALID_ARG', caller('SD_INVALID')],
  ['UND_ERR_INVALID_RETURN_VALUE', caller('SD_INVALID')],
  ['UND_ERR_NOT_SUPPORTED', caller('SD_UNSUPPORTED')],
  ['UND_ERR_ABORT', caller('SD_ABORTED')],
  ['UND_ERR_ABORTED', caller('SD_ABORTED')],
  ['UND_ERR_HEADERS_OVERFLOW', caller('SD_TOO_LARGE')],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', caller('SD_TOO_LARGE')],
  ['UND_ERR_WS_MESSAGE_SIZE_EXCEEDED', caller('SD_TOO_LARGE')],
  // undici: this process.
  ['UND_ERR_DESTROYED', local('SD_CLOSED')],
  ['UND_ERR_CLOSED', local('SD_CLOSED')],
  ['UND_ERR_MAX_ORIGINS_REACHED', local('SD_REJECTED')],
  ['UND_ERR_BPL_MISSING_UPSTREAM', local('SD_NO_INSTANCE')],
  ['ERR_WEBASSEMBLY_NOT_SUPPORTED', local('SD_UNSUPPORTED')],
  // undici: the peer and the connection to it.
  ['UND_ERR', broken],
  ['UND_ERR_INFO', broken],
  ['UND_ERR_SOCKET', broken],
  ['UND_ERR_CONNECT_TIMEOUT', unreachable],
  ['UND_ERR_PRX_TLS', unreachable],
  ['UND_ERR_PRX_CONN', unreachable],
  ['UND_ERR_HEADERS_TIMEOUT', late],
  ['UND_ERR_BODY_TIMEOUT', late],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', peer('SD_MALFORMED')],
  ['UND_ERR_REDIRECT_MAX', peer('SD_MALFORMED')],
  ['UND_ERR_REQ_RETRY', peer('SD_UNAVAILABLE')],
  ['UND_ERR_RESPONSE', peer('SD_UNAVAILABLE')],
  // System calls. A resource that this host has exhausted, or forbids, is not the peer's fault.
  ['ECONNREFUSED', unreachable],
  ['EHOSTUNREACH', unreachable],
  ['EHOSTDOWN', unreachable],
  ['ENETUNREACH', unreachable],
  ['ENOTFOUND', unreachable],
  ['EAI_AGAIN', unreachable],
  ['EMFILE', local('SD_UNAVAILABLE')],
  ['ENFILE', local('SD_UNAVAILABLE')],
  ['ENOBUFS', local('SD_UNAVAILABLE')],
  ['ENOMEM', local('SD_UNAVAILABLE')],
  ['EADDRNOTAVAIL', local('SD_UNAVAILABLE')],
  ['EADDRINUSE', local('SD_UNAVAILABLE')],
  ['EACCES', local('SD_UNAVAILABLE')],
  ['EPERM', local('SD_UNAVAILABLE')],
  // Bun's fetch.
  ['ConnectionRefused', unreachable],
  ['FailedToOpenSocket', unreachable],
  ['ConnectionClosed', broken],
  ['ConnectionReset', broken],
  ['InvalidHTTPResponse', peer('SD_MALFORMED')],
  ['Malformed_HTTP_Response', peer('SD_MALFORMED')],
  ['ResponseHeadersTooLarge', caller('SD_TOO_LARGE')],
  // Node's HTTP/2.
  ['ERR_HTTP2_INVALID_HEADER_VALUE', caller('SD_INVALID')],
  ['ERR_HTTP2_INVALID_CONNECTION_HEADERS', caller('SD_INVALID')],
  ['ERR_HTTP2_HEADER_SINGLE_VALUE', caller('SD_INVALID')],
  ['ERR_HTTP2_INVALID_PSEUDOHEADER', caller('SD_INVALID')],
  ['ERR_HTTP2_PSEUDOHEADER_NOT_ALLOWED', caller('SD_INVALID')],
  ['ERR_INVALID_HTTP_TOKEN', caller('SD_INVALID')],
  ['ERR_INVALID_CHAR', caller('SD_INVALID')],
  ['ERR_HTTP2_PAYLOAD_FORBIDDEN', caller('SD_INVALID')],
  ['ERR_HTTP2_OUT_OF_STREAMS', local('SD_UNAVAILABLE')],
  ['ERR_HTTP2_GOAWAY_SESSION', unreachable],
  ['ERR_HTTP2_INVALID_SESSION', unreachable],
])

/** SOCKS proxies, and certificates that Node does not accept: there was no connection to send on. */
const notConnected = /^(?:UND_ERR_SOCKS5|ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/

/** Deno's fetch has no error codes: these messages mean that no connection was made. */
const denoConnect = /client error \(Connect\)|dns error|tcp connect error/i

/** The meaning of an error of a library or of the system, by its code. */
function meaningOf(code: string | undefined, message: string): ErrorMeaning {
  if (code === undefined || code === '') return denoConnect.test(message) ? unreachable : broken
  if (code.startsWith('HPE_')) return code === 'HPE_HEADER_OVERFLOW' ? caller('SD_TOO_LARGE') : peer('SD_MALFORMED')
  // undici itself repeats a request that an HTTP/2 server rejected with GOAWAY, once. Here it was sent and rejected
  // again.
  if (code === 'UND_ERR_INFO' && message.startsWith('HTTP/2: "GOAWAY"') && message.endsWith('code 0')) return unreachable
  return meanings.get(code) ?? (notConnected.test(code) ? unreachable : broken)
}

/** An error as transports report it. */
export interface TransportFailure {
  /** The error, with its origin. */
  readonly error: SdError
  /** False if the peer can't have seen the request. */
  readonly wasSent: false | undefined
}

/**
 * Converts an error of a library for the handler. Messages about the request are not repeated: they may quote a
 * header's value.
 */
export function toTransportFailure(thrown: unknown): TransportFailure {
  const own = findOwn(thrown)
  if (own) return { error: own, wasSent: undefined }
  const { code, message } = describe(thrown)
  if (code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return { error: lengthError(), wasSent: undefined }
  const meaning = meaningOf(code, message)
  const isRequest = meaning.code === 'SD_INVALID' || meaning.code === 'SD_UNSUPPORTED'
  const { origin, retryable, wasSent } = meaning
  const text =
    meaning.code === 'SD_MALFORMED'
      ? `The response is not valid HTTP: ${message}`
      : isRequest
        ? `The request can't be sent (${code}): its method, path, header fields or body are not valid`
        : message
  // The cause of an error about the request is left out too, because loggers print it.
  return { error: new SdError(meaning.code, text, { origin, retryable, ...(!isRequest && { cause: thrown }) }), wasSent }
}

/** An `SdError` that was thrown, or that a library wrapped. */
function findOwn(thrown: unknown): SdError | undefined {
  if (thrown instanceof SdError) return thrown
  const cause = (thrown as { cause?: unknown } | undefined)?.cause
  return cause instanceof SdError ? cause : undefined
}

interface CodedError {
  readonly name?: unknown
  readonly code?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  readonly errors?: readonly unknown[]
}

/** Code and message of an error, of its cause, or of the first that it aggregates. */
function describe(thrown: unknown): { readonly code: string | undefined; readonly message: string } {
  let message = ''
  let error = thrown as CodedError | undefined
  for (let depth = 0; typeof error === 'object' && error !== null && depth < 4; depth++) {
    if (typeof error.message === 'string' && error.message !== '') message = error.message
    if (typeof error.code === 'string' && error.code !== '') return { code: error.code, message: message || error.code }
    // undici 8.12.4 looks up the parser's code under a name that the parser does not have.
    if (error.name === 'HTTPParserError') return { code: 'HPE_UNKNOWN', message }
    error = (error.cause ?? error.errors?.[0]) as CodedError | undefined
  }
  return { code: undefined, message: message || String(thrown) }
}
