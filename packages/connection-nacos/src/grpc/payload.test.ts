import { describe, expect, test } from 'vitest'
import { decodePayload, encodePayload } from './payload.ts'

const request = {
  type: 'InstanceRequest',
  headers: { accessToken: 'abc' },
  body: { serviceName: 'größe', instances: [1, { a: null }] },
}

/** A field of wire type 0, 1, 2 or 5 with some value. */
const fields = { 0: [0x08, 0x01], 1: [0x09, 1, 2, 3, 4, 5, 6, 7, 8], 2: [0x12 + 0x78, 1, 1, 0], 5: [0x0d, 1, 2, 3, 4] }

describe('a message', () => {
  test('is read as it was written; headers are only sent', () => {
    expect(decodePayload(encodePayload(request))).toEqual({ ...request, headers: {} })
  })

  test('without a body has an empty one', () => {
    expect(decodePayload(Buffer.from([0x12, 0x03, 0x1a, 0x01, 0x41]))).toEqual({ type: 'A', headers: {}, body: {} })
  })

  test.each([0, 1, 2, 5] as const)('with an unknown field of wire type %i is read without it', (wireType) => {
    const unknown = Buffer.from(fields[wireType])
    expect(decodePayload(Buffer.concat([unknown, encodePayload(request), unknown])).type).toBe('InstanceRequest')
  })

  test.each<[string, Buffer]>([
    ['is cut off', encodePayload(request).subarray(0, 40)],
    ['has a text as its body', encodePayload({ ...request, body: 'text' as never })],
    ['has an array as its body', encodePayload({ ...request, body: [] as never })],
    ['has a body that is not JSON', Buffer.concat([encodePayload({ ...request, body: {} }).subarray(0, -2), Buffer.from('{]')])],
  ])('that %s is refused', (_, bytes) => {
    expect(() => decodePayload(bytes)).toThrow()
  })
})
