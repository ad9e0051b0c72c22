import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEndpoint } from '../balancing/endpoint.ts'
import { type OutcomeOrigin, SdError, type SdErrorCode } from '../errors.ts'
import { createServiceInstance } from '../instance/instance.ts'
import { deadlineOrigin, isFairTime, isOwnLimit, isRepeatable, judgeOutcome, originOf } from './outcome.ts'

const byCode: Readonly<Record<string, OutcomeOrigin>> = {
  SD_INVALID: 'caller',
  SD_ABORTED: 'caller',
  SD_DEADLINE_EXCEEDED: 'caller',
  SD_TOO_LARGE: 'caller',
  SD_CLOSED: 'local',
  SD_NO_INSTANCE: 'local',
  SD_REJECTED: 'local',
  SD_UNSUPPORTED: 'local',
  SD_UNAVAILABLE: 'network',
  SD_TIMEOUT: 'peer',
  SD_MALFORMED: 'peer',
  SD_DENIED: 'peer',
  SD_NOT_FOUND: 'peer',
  SD_CONFLICT: 'peer',
  SD_HTTP_STATUS: 'peer',
}
const codes = Object.keys(byCode) as SdErrorCode[]
const origins: readonly OutcomeOrigin[] = ['caller', 'local', 'network', 'peer']

describe('the origin of an error', () => {
  test.each(codes)('follows from %s unless specified', (code) => {
    expect(originOf(new SdError(code, 'x'))).toBe(byCode[code])
    for (const origin of origins) expect(originOf(new SdError(code, 'x', { origin }))).toBe(origin)
  })

  test('of another class: an AbortError is the caller’s, everything else the peer’s', () => {
    const caught = [new DOMException('x', 'AbortError'), new DOMException('x', 'TimeoutError'), new Error('x'), 'x', null]
    expect(caught.map(originOf)).toEqual(['caller', 'peer', 'peer', 'peer', 'peer'])
  })

  test('decides whether an attempt may be repeated', () => {
    expect(codes.filter((code) => isRepeatable(new SdError(code, 'x')))).toEqual(
      codes.filter((code) => byCode[code] === 'network' || byCode[code] === 'peer'),
    )
  })
})

describe('judging an outcome', () => {
  test.each(codes)('without a response, %s is a failure if the network or the peer caused it', (code) => {
    const isTheirs = byCode[code] === 'network' || byCode[code] === 'peer'
    expect(judgeOutcome({ ok: false, error: new SdError(code, 'x') })).toBe(isTheirs ? 'failure' : 'neutral')
  })

  test.each([
    [{ ok: true }, 'success'],
    [{ ok: false }, 'failure'],
    [{ ok: false, status: 503 }, 'failure'],
    [{ ok: true, status: 404 }, 'success'],
    [{ ok: false, status: 200, error: new SdError('SD_ABORTED', 'x') }, 'success'],
    [{ ok: false, status: 503, error: new SdError('SD_ABORTED', 'x') }, 'failure'],
    [{ ok: false, status: 200, error: new SdError('SD_TOO_LARGE', 'x') }, 'success'],
    [{ ok: false, status: 200, error: new SdError('SD_UNAVAILABLE', 'x') }, 'failure'],
    [{ ok: false, error: new SdError('SD_DEADLINE_EXCEEDED', 'x'), origin: 'peer' }, 'failure'],
    [{ ok: false, error: new SdError('SD_UNAVAILABLE', 'x'), origin: 'caller' }, 'neutral'],
  ] as const)('%o is a %s', (outcome, verdict) => {
    expect(judgeOutcome(outcome)).toBe(verdict)
  })

  test('errors of the caller or this process never affect the failures or latency of an endpoint', () => {
    const outcomes = fc.record({
      code: fc.constantFrom(...codes),
      origin: fc.constantFrom('caller' as const, 'local' as const),
      status: fc.option(fc.integer({ min: 100, max: 499 }), { nil: undefined }),
    })
    fc.assert(
      fc.property(outcomes, ({ code, origin, status }) => {
        const endpoint = createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: 'h', port: 1 }))
        endpoint.acquire()
        const outcome = { ok: false, status, error: new SdError(code, 'x', { origin }) }
        endpoint.release(outcome)
        expect(judgeOutcome(outcome)).not.toBe('failure')
        expect([endpoint.active, endpoint.latencyMs, endpoint.usualMs]).toEqual([0, 0, 0])
      }),
    )
  })
})

describe('the origin of an exceeded deadline', () => {
  test.each([
    ['of 5 ms from an unknown caller', { elapsedMs: 5, usualMs: 30, ownLimitMs: 10_000 }, 'caller'],
    ['of 5 ms, although the endpoint takes 1 ms', { elapsedMs: 5, usualMs: 1, ownLimitMs: 10_000 }, 'caller'],
    ['without known latency', { elapsedMs: 999, usualMs: 0, ownLimitMs: 10_000 }, 'caller'],
    ['without known latency, after a second', { elapsedMs: 1_000, usualMs: 0, ownLimitMs: 10_000 }, 'peer'],
    ['after twice the usual time', { elapsedMs: 120, usualMs: 60, ownLimitMs: 0 }, 'peer'],
    ['before twice the usual time', { elapsedMs: 119, usualMs: 60, ownLimitMs: 0 }, 'caller'],
    ['equal to the service’s own limit', { elapsedMs: 199, usualMs: 5_000, ownLimitMs: 200 }, 'peer'],
    ['equal to the service’s own limit, without known latency', { elapsedMs: 199, usualMs: 0, ownLimitMs: 200 }, 'peer'],
    ['for a second attempt right before the service’s own limit', { elapsedMs: 5, usualMs: 20, ownLimitMs: 200 }, 'caller'],
  ] as const)('%s: %o belongs to the %s', (_, evidence, origin) => {
    expect(deadlineOrigin(evidence)).toBe(origin)
  })

  test('below 100 ms only a deadline equal to the service’s own limit belongs to the peer', () => {
    const evidence = fc.record({
      elapsedMs: fc.float({ min: 0, max: Math.fround(99.9), noNaN: true }),
      usualMs: fc.integer({ min: 0, max: 5_000 }),
      ownLimitMs: fc.integer({ min: 112, max: 60_000 }),
    })
    fc.assert(fc.property(evidence, (one) => deadlineOrigin(one) === 'caller'))
  })
})

test('a time is fair from twice the usual one on, and a limit the service’s own from nine tenths of it', () => {
  expect([199.9, 200].map((timeMs) => isFairTime(timeMs, 100))).toEqual([false, true])
  expect([899.9, 900].map((limitMs) => isOwnLimit(limitMs, 1_000))).toEqual([false, true])
  expect(isOwnLimit(1_000, 0)).toBe(false)
})

describe('the usual time of an endpoint', () => {
  const create = (): ReturnType<typeof createEndpoint> =>
    createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: 'h', port: 1 }))

  test('is computed from responses only: failures raise latencyMs, but not usualMs', () => {
    const endpoint = create()
    endpoint.release({ ok: true, latencyMs: 20 })
    endpoint.release({ ok: false, error: new SdError('SD_UNAVAILABLE', 'x') })
    endpoint.release({ ok: false, status: 503, latencyMs: 1 })
    expect([endpoint.usualMs, endpoint.latencyMs >= 1_000]).toEqual([20, true])
  })

  test('rises by a quarter and falls by a sixteenth', () => {
    const endpoint = create()
    for (const latencyMs of [100, 200, 125]) endpoint.release({ ok: true, latencyMs })
    expect(endpoint.usualMs).toBe(125)
    endpoint.release({ ok: true, latencyMs: 109 })
    expect(endpoint.usualMs).toBe(124)
  })

  test('an attempt that lost to a faster one only raises latencyMs', () => {
    const endpoint = create()
    const lost = new SdError('SD_ABORTED', 'Another attempt responded first')
    endpoint.release({ ok: true, latencyMs: 50 })
    endpoint.release({ ok: false, latencyMs: 20, error: lost })
    expect(Math.round(endpoint.latencyMs)).toBe(50)
    endpoint.release({ ok: false, latencyMs: 80, error: lost })
    expect([endpoint.latencyMs, endpoint.usualMs]).toEqual([80, 50])
  })
})
