import { createEndpoint, createServiceInstance, type HeaderFields } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import { ResponseBody } from './response-body.ts'
import { ServiceResponse } from './service-response.ts'

const endpoint = createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port: 80 }))

/** A body as an interceptor may make it. */
async function* partsOf(parts: readonly string[], onLeft: () => void = () => undefined): AsyncGenerator<Uint8Array> {
  try {
    for (const part of parts) yield Buffer.from(part)
  } finally {
    onLeft()
  }
}

function bodyOf(parts: readonly string[]): ResponseBody {
  const body = new ResponseBody({ resume() {}, cancel() {} })
  for (const part of parts) body.push(Buffer.from(part))
  body.end()
  return body
}

interface Given {
  readonly status?: number
  readonly headers?: HeaderFields
  readonly body?: AsyncIterable<Uint8Array>
  readonly maxResponseBytes?: number
}
const respond = ({ status = 200, headers = {}, body = bodyOf([]), maxResponseBytes = 100 }: Given): ServiceResponse =>
  new ServiceResponse({ status, headers, body, endpoint, attempts: 1, maxResponseBytes })

describe.each([
  ['of the transport', bodyOf],
  ['of an interceptor', (parts: readonly string[]) => partsOf(parts)],
])('a body %s', (_, make) => {
  test('is read as bytes, as text in UTF-8, as JSON or as a stream', async () => {
    expect(Buffer.from(await respond({ body: make(['a', 'b']) }).bytes()).toString()).toBe('ab')
    expect(await respond({ body: make(['\u00e4']) }).text()).toBe('ä')
    expect(await respond({ body: make(['{"a":', '1}']) }).json()).toEqual({ a: 1 })
    expect(await new Response(respond({ body: make(['a', 'b']) }).stream()).text()).toBe('ab')
  })

  test('may have maxResponseBytes, and no more', async () => {
    expect(await respond({ body: make(['ab', 'c']), maxResponseBytes: 3 }).text()).toBe('abc')
    for (const read of ['bytes', 'text', 'json'] as const) {
      await expect(respond({ body: make(['ab', 'cd']), maxResponseBytes: 3 })[read]()).rejects.toMatchObject({
        code: 'SD_TOO_LARGE',
        message: 'The response body is larger than maxResponseBytes = 3',
      })
    }
  })
})

test('a body of an interceptor is left as soon as it is too large', async () => {
  const onLeft = vi.fn()
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.from('ab')
    } finally {
      onLeft()
    }
  }
  await expect(respond({ body: endless(), maxResponseBytes: 3 }).bytes()).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
  expect(onLeft).toHaveBeenCalledOnce()
})

test('a stream that is cancelled leaves the body', async () => {
  const onLeft = vi.fn()
  const reader = respond({ body: partsOf(['a', 'b'], onLeft) })
    .stream()
    .getReader()
  await reader.read()
  await reader.cancel()
  expect(onLeft).toHaveBeenCalledOnce()
})

describe('JSON', () => {
  const schema = (issues: readonly object[] | undefined) =>
    ({
      '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => (issues ? { issues } : { value: [value] }) },
    }) as never
  const json = (text: string, issues?: readonly object[]): Promise<unknown> =>
    respond({ body: bodyOf([text]) }).json(schema(issues))

  test('is the output of its schema', async () => {
    expect(await json('1')).toEqual([1])
  })

  test('that does not match is an error with the places, five at most, and the instance', async () => {
    const issues = [
      { message: 'want an object' },
      { path: [], message: 'want one' },
      { path: ['items', 0, { key: 'id' }], message: 'want a number' },
      ...['d', 'e', 'f'].map((message) => ({ path: [message], message })),
    ]
    await expect(json('1', issues)).rejects.toMatchObject({
      code: 'SD_MALFORMED',
      message:
        'orders (a) returned unexpected JSON: the value: want an object; the value: want one; items.0.id: want a number; d: d; e: e',
      cause: issues,
    })
  })

  test('that can not be parsed is an error that does not quote it', async () => {
    await expect(respond({ body: bodyOf(['s3cret']) }).json()).rejects.toMatchObject({
      code: 'SD_MALFORMED',
      message: 'orders (a) returned a body that is not valid JSON',
    })
  })
})

describe('ensureOk', () => {
  test.each([200, 204, 299])('returns the response of status %d', (status) => {
    const response = respond({ status })
    expect([response.ok, response.ensureOk()]).toEqual([true, response])
  })

  test.each([
    [300, false],
    [404, false],
    [408, true],
    [425, true],
    [429, true],
    [499, false],
    [500, true],
    [503, true],
  ])('throws for status %d; retryable: %s', (status, retryable) => {
    const response = respond({ status })
    expect(response.ok).toBe(false)
    expect(() => response.ensureOk()).toThrow(
      expect.objectContaining({ code: 'SD_HTTP_STATUS', message: `orders (a) responded with status ${status}`, retryable }),
    )
  })

  test.each([
    ['2', 2_000],
    ['0', undefined],
    ['soon', undefined],
  ])('gives the time of Retry-After: %s', (value, retryAfterMs) => {
    expect(() => respond({ status: 503, headers: { 'retry-after': value } }).ensureOk()).toThrow(
      expect.objectContaining({ code: 'SD_HTTP_STATUS', retryAfterMs }),
    )
  })
})
