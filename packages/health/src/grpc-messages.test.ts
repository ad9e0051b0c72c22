import { describe, expect, test } from 'vitest'
import { decodeHealthCheckResponse, encodeHealthCheckRequest } from './grpc-messages.ts'

describe('the request', () => {
  test('for the server as a whole is empty', () => {
    expect(encodeHealthCheckRequest('')).toEqual(Buffer.from([0, 0, 0, 0, 0]))
  })

  test('has the service as field 1, with its length as a varint', () => {
    expect(encodeHealthCheckRequest('ab')).toEqual(Buffer.from([0, 0, 0, 0, 4, 0x0a, 2, 0x61, 0x62]))
    expect(encodeHealthCheckRequest('é'.repeat(100)).subarray(0, 8)).toEqual(Buffer.from([0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]))
  })
})

function wire(message: readonly number[]): Buffer {
  return Buffer.from([0, 0, 0, 0, message.length, ...message])
}

describe('the response', () => {
  test.each([
    [[], 'UNKNOWN'],
    [[0x08, 0], 'UNKNOWN'],
    [[0x08, 1], 'SERVING'],
    [[0x08, 2], 'NOT_SERVING'],
    [[0x08, 3], 'SERVICE_UNKNOWN'],
    [[0x08, 0x81, 0x01], 'UNKNOWN'],
    [[0x10, 0x85, 0x01, 0x08, 1], 'SERVING'],
    [[0x12, 2, 0xff, 0xff, 0x08, 1], 'SERVING'],
    [[0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x08, 1], 'SERVING'],
    [[0x08, 1, 0x25, 1, 2, 3, 4], 'SERVING'],
  ])('%j decodes to %s; unknown fields are skipped', (bytes, status) => {
    expect(decodeHealthCheckResponse(wire(bytes))).toBe(status)
  })

  test.each([[[0x08]], [[0x08, 0x80]], [[0x0b, 1]], [Array.from({ length: 20 }, () => 0xff)]])('%j is malformed', (bytes) => {
    expect(() => decodeHealthCheckResponse(wire(bytes))).toThrow(expect.objectContaining({ code: 'SD_MALFORMED' }))
  })

  test.each([
    ['nothing', []],
    ['a compressed one', [1, 0, 0, 0, 0]],
    ['a part of one', [0, 0, 0, 0, 2, 0x08]],
    ['two', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])('%s is malformed', (_, bytes) => {
    expect(() => decodeHealthCheckResponse(Buffer.from(bytes))).toThrow(expect.objectContaining({ code: 'SD_MALFORMED' }))
  })
})
