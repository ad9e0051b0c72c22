import { errors } from 'undici'
import { describe, expect, test, vi } from 'vitest'
import type { Forwarding } from '../forward/forwarding.ts'
import { DispatchedHandler } from './dispatched-handler.ts'

type Handler = ConstructorParameters<typeof DispatchedHandler>[0]

function start(handler: object = {}) {
  const forwarding = { begin: vi.fn(), abort: vi.fn(), pause: vi.fn(), resume: vi.fn() }
  const onResponseError = vi.fn()
  const dispatched = new DispatchedHandler({ onResponseError, ...handler } as Handler, {})
  return { dispatched, forwarding, onResponseError, begin: () => dispatched.begin(forwarding as unknown as Forwarding) }
}

describe('header fields of a handler', () => {
  test('are by name in lower case, repeated ones as a list, and __proto__ is only a name', () => {
    const onResponseStart = vi.fn()
    const { dispatched, begin } = start({ onResponseStart })
    begin()
    expect([dispatched.rawHeaders, dispatched.rawTrailers]).toEqual([null, null])
    dispatched.onInformation(103, ['Link', '</a>', 'link', '</b>', 'LINK', '</c>', '__proto__', 'x'])
    const fields = onResponseStart.mock.calls[0]?.[2] as object
    expect(Object.entries(fields)).toEqual([
      ['link', ['</a>', '</b>', '</c>']],
      ['__proto__', 'x'],
    ])
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype)
    expect(dispatched.rawHeaders?.map(String)).toEqual(['Link', '</a>', 'link', '</b>', 'LINK', '</c>', '__proto__', 'x'])
  })

  test('are raw bytes in Latin-1, trailers too, the same at each access', () => {
    const onResponseEnd = vi.fn()
    const { dispatched, begin } = start({ onResponseEnd })
    begin()
    dispatched.onHead({ status: 200, headers: {} } as never, { rawHeaders: ['X-A', '\u00e4'] })
    expect(dispatched.rawHeaders).toEqual([Buffer.from('X-A'), Buffer.from([0xe4])])
    expect(dispatched.rawHeaders).toBe(dispatched.rawHeaders)
    dispatched.onEnd(['X-Sum', '7'])
    expect(dispatched.rawTrailers?.map(String)).toEqual(['X-Sum', '7'])
    expect(onResponseEnd).toHaveBeenCalledExactlyOnceWith(dispatched, { 'x-sum': '7' })
  })
})

describe('a handler', () => {
  test('that aborts at the start gets its error later, and nothing is sent', async () => {
    const reason = new Error('not needed')
    const { dispatched, forwarding, onResponseError, begin } = start({
      onRequestStart: (controller: DispatchedHandler) => controller.abort(reason),
    })
    begin()
    expect([dispatched.aborted, onResponseError.mock.calls]).toEqual([true, []])
    await Promise.resolve()
    expect(onResponseError).toHaveBeenCalledExactlyOnceWith(dispatched, reason)
    expect(forwarding.begin).not.toHaveBeenCalled()
  })

  test('that aborts without a reason gets an error of undici, once', () => {
    const { dispatched, forwarding, begin, onResponseError } = start()
    begin()
    dispatched.abort()
    dispatched.abort(new Error('again'))
    expect(dispatched.reason).toBeInstanceOf(errors.RequestAbortedError)
    expect(forwarding.abort).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'SD_ABORTED', cause: dispatched.reason }),
    )
    dispatched.onError(new Error('any'))
    dispatched.onError(new Error('any'))
    expect(onResponseError).toHaveBeenCalledExactlyOnceWith(dispatched, dispatched.reason)
  })

  test('pauses and resumes', () => {
    const { dispatched, forwarding, begin } = start()
    begin()
    dispatched.pause()
    expect([dispatched.paused, forwarding.pause.mock.calls.length, forwarding.resume.mock.calls.length]).toEqual([true, 1, 0])
    dispatched.resume()
    expect([dispatched.paused, forwarding.pause.mock.calls.length, forwarding.resume.mock.calls.length]).toEqual([false, 1, 1])
  })

  test('may change the header fields that it gets', () => {
    const headers = { 'x-a': '1' }
    const { dispatched, begin } = start({
      onResponseStart(_: unknown, __: number, fields: Record<string, string>) {
        delete fields['x-a']
      },
    })
    begin()
    dispatched.onHead({ status: 200, headers } as never, { rawHeaders: [] })
    expect(headers).toEqual({ 'x-a': '1' })
  })

  test.each([
    ['an informational response', (dispatched: DispatchedHandler) => dispatched.onInformation(103, [])],
    ['the head', (dispatched: DispatchedHandler) => dispatched.onHead({ status: 200, headers: {} } as never, { rawHeaders: [] })],
    ['data', (dispatched: DispatchedHandler) => dispatched.onData(Buffer.from('a'))],
  ])('that throws at %s ends the request with its error', (_, tell) => {
    const thrown = new Error('bug')
    const fail = (): never => {
      throw thrown
    }
    const { dispatched, forwarding, begin } = start({ onResponseStart: fail, onResponseData: fail })
    begin()
    tell(dispatched)
    expect([dispatched.reason, forwarding.abort.mock.calls.length]).toEqual([thrown, 1])
  })

  test('that throws at the end gets its error, and can not abort any more', () => {
    const thrown = new Error('retry')
    const onResponseEnd = (): never => {
      throw thrown
    }
    const { dispatched, forwarding, onResponseError, begin } = start({ onResponseEnd })
    begin()
    dispatched.onEnd([])
    expect(onResponseError).toHaveBeenCalledExactlyOnceWith(dispatched, thrown)
    dispatched.abort()
    dispatched.onError(new Error('late'))
    expect([dispatched.aborted, forwarding.abort.mock.calls.length, onResponseError.mock.calls.length]).toEqual([false, 0, 1])
  })
})

describe('an upgrade', () => {
  const socket = () => ({ destroy: vi.fn() })

  test('gives the socket to the handler, and is the end', () => {
    const onRequestUpgrade = vi.fn()
    const { dispatched, onResponseError, begin } = start({ onRequestUpgrade })
    begin()
    const made = socket()
    dispatched.onUpgrade(made as never, ['Upgrade', 'websocket'])
    expect(onRequestUpgrade).toHaveBeenCalledExactlyOnceWith(dispatched, 101, { upgrade: 'websocket' }, made)
    expect([dispatched.rawHeaders?.map(String), made.destroy.mock.calls]).toEqual([['Upgrade', 'websocket'], []])
    dispatched.onError(new Error('late'))
    expect(onResponseError).not.toHaveBeenCalled()
  })

  test('that the handler does not take, or at which it throws, closes the socket', () => {
    const without = start()
    without.begin()
    const one = socket()
    without.dispatched.onUpgrade(one as never, [])
    expect(one.destroy).toHaveBeenCalledExactlyOnceWith()
    const thrown = new Error('bug')
    const failing = start({
      onRequestUpgrade() {
        throw thrown
      },
    })
    failing.begin()
    const other = socket()
    failing.dispatched.onUpgrade(other as never, [])
    expect(other.destroy).toHaveBeenCalledExactlyOnceWith(thrown)
  })
})
