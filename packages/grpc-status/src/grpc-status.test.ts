import { judgeOutcome, originOf, SdError, type SdErrorCode } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { grpcError, grpcStatusName, grpcStatusOf, grpcStatusOfHttp, judgeGrpcResponse, judgeGrpcStatus } from './grpc-status.ts'

/** Code, name, HTTP status and verdict for a status of the peer; code, origin and verdict of the error for one that this side created. */
const table = [
  [1, 'CANCELLED', 499, 'success', 'SD_ABORTED', 'caller', 'neutral'],
  [2, 'UNKNOWN', 500, 'failure', 'SD_UNAVAILABLE', 'peer', 'failure'],
  [3, 'INVALID_ARGUMENT', 400, 'success', 'SD_INVALID', 'caller', 'neutral'],
  [4, 'DEADLINE_EXCEEDED', 504, 'failure', 'SD_DEADLINE_EXCEEDED', 'caller', 'neutral'],
  [5, 'NOT_FOUND', 404, 'success', 'SD_INVALID', 'caller', 'neutral'],
  [6, 'ALREADY_EXISTS', 409, 'success', 'SD_INVALID', 'caller', 'neutral'],
  [7, 'PERMISSION_DENIED', 403, 'success', 'SD_DENIED', 'caller', 'neutral'],
  [8, 'RESOURCE_EXHAUSTED', 429, 'success', 'SD_TOO_LARGE', 'caller', 'neutral'],
  [9, 'FAILED_PRECONDITION', 400, 'success', 'SD_INVALID', 'caller', 'neutral'],
  [10, 'ABORTED', 409, 'success', 'SD_INVALID', 'caller', 'neutral'],
  [11, 'OUT_OF_RANGE', 400, 'success', 'SD_INVALID', 'caller', 'neutral'],
  [12, 'UNIMPLEMENTED', 404, 'success', 'SD_UNSUPPORTED', 'local', 'neutral'],
  [13, 'INTERNAL', 500, 'failure', 'SD_UNAVAILABLE', 'peer', 'failure'],
  [14, 'UNAVAILABLE', 503, 'failure', 'SD_UNAVAILABLE', 'network', 'failure'],
  [15, 'DATA_LOSS', 500, 'failure', 'SD_MALFORMED', 'peer', 'failure'],
  [16, 'UNAUTHENTICATED', 401, 'success', 'SD_DENIED', 'caller', 'neutral'],
  [99, 'status 99', 500, 'failure', 'SD_UNAVAILABLE', 'peer', 'failure'],
] as const

test.each(table)('%i %s', (code, name, status, peerVerdict, sdCode, origin, own) => {
  expect(grpcStatusName(code)).toBe(name)
  const verdict = judgeGrpcStatus(code)
  expect([verdict.status, verdict.grpcStatus, judgeOutcome(verdict)]).toEqual([status, code, peerVerdict])
  const error = grpcError(code, 'x')
  expect([error.code, originOf(error), judgeOutcome({ ok: false, error })]).toEqual([sdCode, origin, own])
})

test('a pushback is respected if the peer is overloaded, unless it forbids retries', () => {
  const pushback = { 'grpc-retry-pushback-ms': '250' }
  expect([8, 14, 13].map((code) => judgeGrpcStatus(code, pushback).retryAfterMs)).toEqual([250, 250, undefined])
  expect(judgeGrpcStatus(14, { 'grpc-retry-pushback-ms': '-1' }).retryAfterMs).toBeUndefined()
})

test.each<[SdErrorCode, number]>([
  ['SD_ABORTED', 1],
  ['SD_TIMEOUT', 4],
  ['SD_DEADLINE_EXCEEDED', 4],
  ['SD_TOO_LARGE', 8],
  ['SD_NO_INSTANCE', 14],
  ['SD_REJECTED', 14],
  ['SD_UNAVAILABLE', 14],
  ['SD_CLOSED', 14],
  ['SD_HTTP_STATUS', 2],
])('%s becomes %i', (code, status) => {
  expect(grpcStatusOf(new SdError(code, 'x'))).toBe(status)
})

test.each([
  [200, 0],
  [204, 0],
  [401, 16],
  [404, 12],
  [429, 14],
  [503, 14],
  [500, 2],
])('HTTP %i without a gRPC status becomes %i', (status, code) => {
  expect(grpcStatusOfHttp(status)).toBe(code)
})

describe('a gRPC response', () => {
  test.each([
    ['trailers', {}, ['grpc-status', '0'], { ok: true, status: 200, grpcStatus: 0 }],
    ['trailers with a failure', {}, ['Grpc-Status', '13'], { ok: false, status: 500, grpcStatus: 13 }],
    ['a head alone', { 'grpc-status': '5' }, [], { ok: true, status: 404, grpcStatus: 5 }],
    ['trailers before the head', { 'grpc-status': '0' }, ['grpc-status', '14'], { ok: false, status: 503, grpcStatus: 14 }],
    [
      'a pushback in the trailers',
      {},
      ['grpc-status', '8', 'grpc-retry-pushback-ms', '90'],
      { ok: true, status: 429, grpcStatus: 8, retryAfterMs: 90 },
    ],
    ['neither', {}, [], { ok: false, status: 500, grpcStatus: 2 }],
    ['a status that is not a number', {}, ['grpc-status', 'bad'], { ok: false, status: 500, grpcStatus: 2 }],
  ] as const)('is judged by %s', (_, headers, trailers, verdict) => {
    expect(judgeGrpcResponse({ status: 200, headers }, trailers)).toEqual(verdict)
  })

  test('of a proxy is judged by its HTTP status', () => {
    expect([404, 503].map((status) => judgeGrpcResponse({ status, headers: {} }, []))).toEqual([{ ok: true }, { ok: false }])
  })
})
