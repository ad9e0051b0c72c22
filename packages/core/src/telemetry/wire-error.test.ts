import { expect, test } from 'vitest'
import { SdError } from '../errors.ts'
import { invalidError } from '../validate.ts'
import { toWireError } from './wire-error.ts'

const throwing = new Proxy(
  {},
  {
    get: () => {
      throw new Error('trap')
    },
    getPrototypeOf: () => {
      throw new Error('trap')
    },
  },
)

test.each<[string, unknown, object]>([
  [
    'an SdError, with what a reader acts on',
    new SdError('SD_UNAVAILABLE', 'etcd is unreachable', { retryAfterMs: 500 }),
    { code: 'SD_UNAVAILABLE', message: 'etcd is unreachable', retryable: true, retryAfterMs: 500 },
  ],
  [
    'the field of an invalid option',
    invalidError('port', 0, 'a port'),
    { code: 'SD_INVALID', message: 'Invalid port: got 0, want a port', retryable: false, field: 'port' },
  ],
  [
    'causes, nearest first',
    new SdError('SD_TIMEOUT', 'a', { cause: new Error('b', { cause: 'c' }) }),
    { code: 'SD_TIMEOUT', message: 'a', retryable: true, causes: ['b', 'c'] },
  ],
  ['another error', new TypeError('x is undefined'), { code: 'TypeError', message: 'x is undefined', retryable: false }],
  ['a text', 'oh', { code: 'string', message: 'oh', retryable: false }],
  ['nothing', undefined, { code: 'undefined', message: 'undefined', retryable: false }],
])('%s', (_, thrown, expected) => {
  const wire = toWireError(thrown)
  expect(wire).toEqual(expected)
  expect(JSON.parse(JSON.stringify(wire))).toEqual(wire)
})

test('credentials in messages and causes are masked', () => {
  const cause = new Error('connect postgres://app:s3cret@db/x')
  const wire = toWireError(new Error('password=s3cret', { cause }))
  expect(JSON.stringify(wire)).not.toContain('s3cret')
})

test('endless and hostile values have a bounded form', () => {
  const circular: { cause?: unknown } = new Error('round')
  circular.cause = circular
  expect(toWireError(circular).causes).toHaveLength(5)
  expect(toWireError(new Error('x'.repeat(1_000_000))).message.length).toBeLessThan(3_000)
  expect(toWireError(throwing).message).toContain('object')
})
