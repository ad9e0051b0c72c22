import { type OutcomeOrigin, SdError } from '@sd/core'
import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import { toTransportFailure } from './transport-errors.ts'

type Row = readonly [code: string, origin: OutcomeOrigin, retryable: boolean, wasSent: false | undefined]

/** Every error class that undici exports, with its meaning. */
const undiciErrors: Readonly<Record<keyof typeof errors | string, Row>> = {
  UndiciError: ['SD_UNAVAILABLE', 'network', true, undefined],
  ConnectTimeoutError: ['SD_UNAVAILABLE', 'network', true, false],
  HeadersTimeoutError: ['SD_TIMEOUT', 'peer', true, undefined],
  HeadersOverflowError: ['SD_TOO_LARGE', 'caller', false, undefined],
  BodyTimeoutError: ['SD_TIMEOUT', 'peer', true, undefined],
  InvalidArgumentError: ['SD_INVALID', 'caller', false, undefined],
  InvalidReturnValueError: ['SD_INVALID', 'caller', false, undefined],
  AbortError: ['SD_ABORTED', 'caller', false, undefined],
  RequestAbortedError: ['SD_ABORTED', 'caller', false, undefined],
  InformationalError: ['SD_UNAVAILABLE', 'network', true, undefined],
  RequestContentLengthMismatchError: ['SD_INVALID', 'caller', false, undefined],
  ResponseContentLengthMismatchError: ['SD_MALFORMED', 'peer', false, undefined],
  ClientDestroyedError: ['SD_CLOSED', 'local', false, false],
  ClientClosedError: ['SD_CLOSED', 'local', false, false],
  SocketError: ['SD_UNAVAILABLE', 'network', true, undefined],
  NotSupportedError: ['SD_UNSUPPORTED', 'caller', false, undefined],
  BalancedPoolMissingUpstreamError: ['SD_NO_INSTANCE', 'local', false, false],
  WebAssemblyNotSupportedError: ['SD_UNSUPPORTED', 'local', false, false],
  HTTPParserError: ['SD_MALFORMED', 'peer', false, undefined],
  ResponseExceededMaxSizeError: ['SD_TOO_LARGE', 'caller', false, undefined],
  RequestRetryError: ['SD_UNAVAILABLE', 'peer', false, undefined],
  ResponseError: ['SD_UNAVAILABLE', 'peer', false, undefined],
  SecureProxyConnectionError: ['SD_UNAVAILABLE', 'network', true, false],
  ProxyConnectionError: ['SD_UNAVAILABLE', 'network', true, false],
  MaxRedirectsError: ['SD_MALFORMED', 'peer', false, undefined],
  MaxOriginsReachedError: ['SD_REJECTED', 'local', false, false],
  Socks5ProxyError: ['SD_UNAVAILABLE', 'network', true, false],
  MessageSizeExceededError: ['SD_TOO_LARGE', 'caller', false, undefined],
}

const systemErrors: Readonly<Record<string, Row>> = {
  ECONNREFUSED: ['SD_UNAVAILABLE', 'network', true, false],
  EHOSTUNREACH: ['SD_UNAVAILABLE', 'network', true, false],
  EHOSTDOWN: ['SD_UNAVAILABLE', 'network', true, false],
  ENETUNREACH: ['SD_UNAVAILABLE', 'network', true, false],
  ENOTFOUND: ['SD_UNAVAILABLE', 'network', true, false],
  EAI_AGAIN: ['SD_UNAVAILABLE', 'network', true, false],
  ECONNRESET: ['SD_UNAVAILABLE', 'network', true, undefined],
  EPIPE: ['SD_UNAVAILABLE', 'network', true, undefined],
  ETIMEDOUT: ['SD_UNAVAILABLE', 'network', true, undefined],
  ERR_TLS_CERT_ALTNAME_INVALID: ['SD_UNAVAILABLE', 'network', true, false],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['SD_UNAVAILABLE', 'network', true, false],
  CERT_HAS_EXPIRED: ['SD_UNAVAILABLE', 'network', true, false],
  EMFILE: ['SD_UNAVAILABLE', 'local', false, false],
  ENFILE: ['SD_UNAVAILABLE', 'local', false, false],
  ENOBUFS: ['SD_UNAVAILABLE', 'local', false, false],
  ENOMEM: ['SD_UNAVAILABLE', 'local', false, false],
  EADDRNOTAVAIL: ['SD_UNAVAILABLE', 'local', false, false],
  EADDRINUSE: ['SD_UNAVAILABLE', 'local', false, false],
  EACCES: ['SD_UNAVAILABLE', 'local', false, false],
  EPERM: ['SD_UNAVAILABLE', 'local', false, false],
  // Bun's fetch.
  ConnectionRefused: ['SD_UNAVAILABLE', 'network', true, false],
  FailedToOpenSocket: ['SD_UNAVAILABLE', 'network', true, false],
  ConnectionClosed: ['SD_UNAVAILABLE', 'network', true, undefined],
  ConnectionReset: ['SD_UNAVAILABLE', 'network', true, undefined],
  InvalidHTTPResponse: ['SD_MALFORMED', 'peer', false, undefined],
  Malformed_HTTP_Response: ['SD_MALFORMED', 'peer', false, undefined],
  ResponseHeadersTooLarge: ['SD_TOO_LARGE', 'caller', false, undefined],
  HPE_INVALID_CONSTANT: ['SD_MALFORMED', 'peer', false, undefined],
  HPE_HEADER_OVERFLOW: ['SD_TOO_LARGE', 'caller', false, undefined],
}

function rowOf(thrown: unknown): Row {
  const { error, wasSent } = toTransportFailure(thrown)
  return [error.code, error.origin as OutcomeOrigin, error.retryable, wasSent]
}

function create(name: string): Error {
  const Made = (errors as unknown as Record<string, new (...values: unknown[]) => Error>)[name] as new (
    ...values: unknown[]
  ) => Error
  if (name === 'HTTPParserError') return new Made('x', 'INVALID_CONSTANT')
  if (name === 'Socks5ProxyError') return new Made('x')
  return new Made('x', 500, {})
}

describe('each of undici’s errors', () => {
  test('is in the table', () => {
    expect(Object.keys(errors).toSorted()).toEqual(Object.keys(undiciErrors).toSorted())
  })

  test.each(Object.entries(undiciErrors))('%s becomes %o, also as the cause of an error of fetch', (name, row) => {
    expect(rowOf(create(name))).toEqual(row)
    expect(rowOf(new TypeError('fetch failed', { cause: create(name) }))).toEqual(row)
  })
})

describe('each code of the system, of Bun and of the parser', () => {
  test.each(Object.entries(systemErrors))('%s becomes %o, on both transports', (code, row) => {
    const error = Object.assign(new Error('x'), { code })
    expect(rowOf(error)).toEqual(row)
    expect(rowOf(new TypeError('fetch failed', { cause: error }))).toEqual(row)
  })
})

test.each<[string, unknown, Row]>([
  [
    'an error of the parser without a code',
    new errors.HTTPParserError('Expected HTTP/'),
    ['SD_MALFORMED', 'peer', false, undefined],
  ],
  [
    'several addresses that refused the connection',
    new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]),
    ['SD_UNAVAILABLE', 'network', true, false],
  ],
  [
    'Deno, not connected',
    new TypeError('error sending request: client error (Connect): tcp connect error'),
    ['SD_UNAVAILABLE', 'network', true, false],
  ],
  [
    'Deno, connection lost',
    new TypeError('error sending request: connection closed'),
    ['SD_UNAVAILABLE', 'network', true, undefined],
  ],
  [
    'GOAWAY before the request was processed',
    new errors.InformationalError('HTTP/2: "GOAWAY" frame received with code 0'),
    ['SD_UNAVAILABLE', 'network', true, false],
  ],
  [
    'GOAWAY with an error',
    new errors.InformationalError('HTTP/2: "GOAWAY" frame received with code 2'),
    ['SD_UNAVAILABLE', 'network', true, undefined],
  ],
  ['a text', 'broken', ['SD_UNAVAILABLE', 'network', true, undefined]],
])('%s', (_, thrown, row) => {
  expect(rowOf(thrown)).toEqual(row)
})

test('an SdError is unchanged, even if fetch wrapped it', () => {
  const error = new SdError('SD_ABORTED', 'mine', { origin: 'caller' })
  expect(toTransportFailure(error).error).toBe(error)
  expect(toTransportFailure(new TypeError('fetch failed', { cause: error })).error).toBe(error)
})

test("a library's message about the request is not repeated: it may quote a value", () => {
  const quoted = Object.assign(new TypeError('Headers.append: "Bearer SECRET" is invalid'), { code: 'UND_ERR_INVALID_ARG' })
  const { error } = toTransportFailure(quoted)
  expect(JSON.stringify([error.message, error.cause])).not.toContain('SECRET')
})
