import { createMasking, publishTelemetry, SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import { type AccessEvent, createAccessLog, type ServiceLogger } from './index.ts'
import { createCollectingLogger } from './testing/lines.ts'

interface Changes {
  readonly exchange?: Partial<AccessEvent['exchange']>
  readonly outcome?: Partial<AccessEvent['outcome']>
  readonly headers?: Readonly<Record<string, string>>
}

function publish({ exchange, outcome, headers = {} }: Changes = {}): void {
  publishTelemetry('sd:v1:gateway:exchange', {
    exchange: {
      id: 'r1',
      route: 'orders',
      service: 'orders',
      method: 'GET',
      path: '/orders/1',
      authority: 'shop.example.com',
      clientAddress: '203.0.113.7',
      httpVersion: '2',
      connection: { listener: 'edge', remoteAddress: '10.0.0.1', tls: {} },
      header: (name) => headers[name],
      ...exchange,
    },
    outcome: { status: 200, instanceId: 'i1', durationMs: 12.345, firstByteMs: 7.04, bytesIn: 0, bytesOut: 15, ...outcome },
  })
}

/** The fields of the line of one exchange. */
function lineOf(changes: Changes, options: Partial<Parameters<typeof createAccessLog>[0]> = {}): Record<string, unknown> {
  const { logger, lines } = createCollectingLogger()
  using _ = createAccessLog({ logger, ...options })
  publish(changes)
  return lines()[0] ?? {}
}

test('a request becomes a line with these fields', () => {
  const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'user-agent': 'curl/8' }
  expect(lineOf({ headers })).toEqual({
    level: 'info',
    msg: 'gateway request',
    request_id: 'r1',
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    listener: 'edge',
    route: 'orders',
    peer_service: 'orders',
    instance_id: 'i1',
    client_address: '203.0.113.7',
    peer_address: '10.0.0.1',
    protocol: 'HTTP/2',
    tls: true,
    method: 'GET',
    host: 'shop.example.com',
    path: '/orders/1',
    user_agent: 'curl/8',
    status: 200,
    duration_ms: 12.3,
    first_byte_ms: 7,
    bytes_in: 0,
    bytes_out: 15,
  })
})

test.each([
  [200, 'info'],
  [404, 'info'],
  [499, 'warn'],
  [503, 'error'],
])('status %i is logged as %s', (status, level) => {
  const error = status === 503 ? new SdError('SD_NO_INSTANCE', 'none') : undefined
  expect(lineOf({ outcome: { status, error } })).toMatchObject({ status, level, ...(error && { error_code: 'SD_NO_INSTANCE' }) })
})

test('a verified client is in the line', () => {
  expect(lineOf({ exchange: { identity: 'alice' } })).toMatchObject({ user: 'alice' })
})

describe('secrets', () => {
  test.each([
    ['/orders?page=2&sort=id', '/orders?page=2&sort=id'],
    ['/orders?token=hunter2&page=2', '/orders?token=***&page=2'],
    ['/orders?access_token=hunter2', '/orders?access_token=***'],
    ['/orders?api%5Fkey=hunter2', '/orders?api%5Fkey=***'],
    ['/callback?code=hunter2&state=hunter2', '/callback?code=***&state=***'],
    ['/maps?key=hunter2', '/maps?key=***'],
    ['/s?X-Amz-Signature=hunter2', '/s?X-Amz-Signature=***'],
    ['/s?password=hunter2=hunter2', '/s?password=***'],
    ['/s?%zz=1&PASSWORD=hunter2', '/s?%zz=1&PASSWORD=***'],
    ['/go?to=https://ada:hunter2@example.com/', '/go?to=https://ada:***@example.com/'],
  ])('the path %s is logged as %s', (path, expected) => {
    expect(lineOf({ exchange: { path } })['path']).toBe(expected)
  })

  test('names of an own rule are masked beside the built-in ones', () => {
    const masking = createMasking({ names: ['iban'] })
    const path = '/pay?iban=hunter2&token=hunter2&amount=3'
    expect(lineOf({ exchange: { path } }, { masking })['path']).toBe('/pay?iban=***&token=***&amount=3')
  })

  test('no field of the request but the user agent is in the line', () => {
    const headers = { authorization: 'Bearer hunter2', cookie: 'sid=hunter2', referer: '/?token=hunter2', 'x-api-key': 'hunter2' }
    expect(JSON.stringify(lineOf({ headers }))).not.toContain('hunter2')
  })
})

test('a long path, host and user agent are cut, and a value behind the cut is not needed to mask it', () => {
  const long = 'x'.repeat(2_000)
  const line = lineOf({ exchange: { path: `/?token=${long}&b=${long}`, authority: long }, headers: { 'user-agent': long } })
  expect(line['path']).toBe('/?token=***')
  expect([line['host'], line['user_agent']]).toEqual([`${'x'.repeat(512)}…`, `${'x'.repeat(512)}…`])
  expect(lineOf({ exchange: { path: `/${long}` } })['path']).toHaveLength(513)
})

test('requests can be selected, and close ends the log', () => {
  const { logger, lines } = createCollectingLogger()
  const log = createAccessLog({ logger, isLogged: ({ outcome }) => outcome.status >= 500 })
  publish()
  publish({ outcome: { status: 502 } })
  log.close()
  publish({ outcome: { status: 502 } })
  expect(lines()).toHaveLength(1)
})

test('lines of a disabled level are not made', () => {
  const log = vi.fn()
  const logger: ServiceLogger = { log, isLevelEnabled: (level) => level === 'error' }
  using _ = createAccessLog({ logger })
  publish()
  publish({ outcome: { status: 500 } })
  expect(log.mock.calls.map(([level]) => level)).toEqual(['error'])
})

test('a logger that throws affects nothing', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const logger: ServiceLogger = {
    log() {
      throw new Error('disk full')
    },
  }
  using _ = createAccessLog({ logger })
  expect(() => publish()).not.toThrow()
  expect(warn).toHaveBeenCalledOnce()
})

test.each([
  [{ logger: {} }, 'logger.log'],
  [{ logger: console, isLogged: true }, 'isLogged'],
  [{ logger: console, masking: {} }, 'masking.text'],
  [{ logger: console, sample: 0.1 }, 'sample'],
])('%j is refused', (options, field) => {
  expect(() => createAccessLog(options as never)).toThrow(field)
})
