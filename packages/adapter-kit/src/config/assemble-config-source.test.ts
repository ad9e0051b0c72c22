import {
  type ConfigDocument,
  type ConfigEntry,
  SdError,
  subscribeTelemetry,
  type TelemetryEvents,
  untilAborted,
  type WatchSession,
  type WritableConfigSource,
} from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  assembleConfigSource,
  assembleWritableConfigSource,
  type ConfigWrite,
  checkRevision,
  type WritableConfigAdapter,
} from './assemble-config-source.ts'
import { createConfigDocument } from './config-document.ts'

const unreachable = new SdError('SD_UNAVAILABLE', 'unreachable')
const entry: ConfigEntry = { key: 'db/host', content: 'a', format: 'text', revision: '1' }
const document = createConfigDocument('test', [entry])
const forever = new Promise<never>(() => undefined)

/** An adapter whose parts are all controlled by the test. */
function createAdapter(): WritableConfigAdapter & {
  [K in 'read' | 'follow' | 'put' | 'remove' | 'close']: ReturnType<typeof vi.fn<WritableConfigAdapter[K]>>
} {
  return {
    name: 'test',
    capabilities: { watch: 'push', write: true, compareAndSet: true, annotations: true },
    operationTimeoutMs: 1_000,
    backoff: { baseMs: 100, maxMs: 100 },
    read: vi.fn(async () => document),
    follow: vi.fn(async ({ offer, signal }: WatchSession<ConfigDocument>) => {
      offer(document)
      await untilAborted(signal)
    }),
    put: vi.fn(async () => entry),
    remove: vi.fn(async () => undefined),
    close: vi.fn(),
  }
}

let adapter: ReturnType<typeof createAdapter>
let source: WritableConfigSource

beforeEach(() => {
  vi.useFakeTimers()
  adapter = createAdapter()
  source = assembleWritableConfigSource(adapter)
})
afterEach(async () => {
  const closing = source.close()
  await vi.advanceTimersByTimeAsync(3_000)
  await closing
  vi.useRealTimers()
})

test('a read-only source has no methods to write', async () => {
  const { capabilities, put: _, remove: __, maxBytes: ___, ...rest } = adapter
  const readable = assembleConfigSource({ ...rest, capabilities: { ...capabilities, write: false } })
  expect(readable).toMatchObject({ name: 'test', state: 'disconnected', capabilities: { write: false } })
  expect(readable).not.toHaveProperty('put')
  expect(readable).not.toHaveProperty('delete')
  expect(await readable.load()).toBe(document)
  expect(readable.state).toBe('connected')
  await readable[Symbol.asyncDispose]()
  expect(readable.state).toBe('closed')
})

describe('loading', () => {
  test('reads, and updates the connection state', async () => {
    expect(source.state).toBe('disconnected')
    expect(await source.load()).toBe(document)
    expect(source.state).toBe('connected')
    adapter.read.mockRejectedValueOnce(unreachable)
    await expect(source.load()).rejects.toBe(unreachable)
    expect(source.state).toBe('disconnected')
  })

  test('rejects with a retryable error for any error of an adapter', async () => {
    adapter.read.mockRejectedValueOnce(new TypeError('socket'))
    await expect(source.load()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true, cause: new TypeError('socket') })
  })

  test('has a time limit and can be aborted', async () => {
    adapter.read.mockReturnValue(forever)
    const late = expect(source.load()).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await vi.advanceTimersByTimeAsync(1_000)
    await late
    const controller = new AbortController()
    const aborted = expect(source.load({ signal: controller.signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    controller.abort()
    await aborted
    expect(adapter.read.mock.calls.every(([{ signal }]) => signal.aborted)).toBe(true)
  })

  test('is published', async () => {
    const operations: TelemetryEvents['sd:v1:backend:operation'][] = []
    const end = subscribeTelemetry('sd:v1:backend:operation', (event) => operations.push(event))
    await source.load()
    await source.put('db/host', 'a')
    await source.delete('db/host')
    end()
    expect(operations.map(({ backend, operation }) => [backend, operation])).toEqual([
      ['test', 'load'],
      ['test', 'put'],
      ['test', 'delete'],
    ])
  })
})

describe('watching', () => {
  test('is one session for all, stale while the source is unreachable', async () => {
    const lost = Promise.withResolvers<void>()
    adapter.follow.mockImplementationOnce(async ({ offer }) => {
      offer(document)
      await lost.promise
      throw unreachable
    })
    const [one, other] = [source.watch()[Symbol.asyncIterator](), source.watch()[Symbol.asyncIterator]()]
    expect(await one.next()).toEqual({ done: false, value: { value: document } })
    expect((await other.next()).value.value).toBe(document)
    lost.resolve()
    expect((await one.next()).value).toMatchObject({ value: document, stale: { error: unreachable } })
    expect(source.state).toBe('disconnected')
    await vi.advanceTimersByTimeAsync(200)
    expect(await one.next()).toEqual({ done: false, value: { value: document } })
    expect([source.state, adapter.follow.mock.calls.length]).toEqual(['connected', 2])
    await Promise.all([one.return?.(), other.return?.()])
    expect(adapter.follow.mock.calls[1]?.[0].signal.aborted).toBe(true)
  })

  test('ends with an error that is not retryable', async () => {
    adapter.follow.mockRejectedValueOnce(new SdError('SD_DENIED', 'denied'))
    await expect(source.watch()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('ignores a session that has ended', async () => {
    let offerLate: (() => void) | undefined
    adapter.follow.mockImplementationOnce(async ({ offer }) => {
      offerLate = () => offer(document)
      throw unreachable
    })
    const iterator = source.watch()[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toMatchObject({ stale: { error: unreachable } })
    offerLate?.()
    expect(source.state).toBe('disconnected')
    await iterator.return?.()
  })
})

describe('writing', () => {
  const write = { key: 'db/host', ifRevision: undefined, author: undefined, comment: undefined, signal: expect.any(AbortSignal) }

  test('passes everything to the adapter', async () => {
    expect(await source.put('db/host', 'b')).toBe(entry)
    expect(adapter.put).toHaveBeenLastCalledWith('b', write)
    const options = { ifRevision: '1', author: 'me', comment: 'why' }
    await source.put('db/host', '', options)
    expect(adapter.put).toHaveBeenLastCalledWith('', { ...write, ...options })
    await source.delete('db/host')
    expect(adapter.remove).toHaveBeenLastCalledWith(write)
    await source.delete('db/host', { ifRevision: null })
    expect(adapter.remove).toHaveBeenLastCalledWith({ ...write, ifRevision: null })
  })

  test.each<[string, unknown[]]>([
    ['key', ['', 'a']],
    ['key', ['a/../b', 'a']],
    ['content', ['a', 1]],
    ['content', ['a', '\ud800']],
    ['ifRevision', ['a', 'a', { ifRevision: 1 }]],
    ['author', ['a', 'a', { author: 'x'.repeat(256) }]],
    ['comment', ['a', 'a', { comment: {} }]],
    ['revision', ['a', 'a', { revision: '1' }]],
  ])('rejects an invalid %s before anything is sent', async (field, args) => {
    await expect(source.put(...(args as ['a', 'a']))).rejects.toMatchObject({ code: 'SD_INVALID', field })
    if (field !== 'content') {
      await expect(source.delete(args[0] as string, args[2] as object)).rejects.toMatchObject({ code: 'SD_INVALID', field })
    }
    expect([adapter.put, adapter.remove].map((call) => call.mock.calls.length)).toEqual([0, 0])
    expect(source.state).toBe('disconnected')
  })

  test('rejects a text that is too long', async () => {
    const refusal = { code: 'SD_TOO_LARGE', field: 'content' }
    await expect(source.put('a', 'x'.repeat(1_048_577))).rejects.toMatchObject(refusal)
    await using short = assembleWritableConfigSource({ ...adapter, maxBytes: 1 })
    await short.put('a', 'x')
    await expect(short.put('a', 'é')).rejects.toMatchObject(refusal)
  })

  test('a conflict does not change the connection state', async () => {
    await source.load()
    adapter.put.mockImplementationOnce(async (_, act) => {
      checkRevision('test', act, '2')
      return entry
    })
    await expect(source.put('a', 'x', { ifRevision: '1' })).rejects.toMatchObject({
      code: 'SD_CONFLICT',
      retryable: false,
      message: 'test: a was changed by another writer',
    })
    expect(source.state).toBe('connected')
  })
})

test('a revision is compared if one is given', () => {
  const check = (ifRevision: string | null | undefined, found: string | undefined) => () =>
    checkRevision('test', { key: 'a', ifRevision } as ConfigWrite, found)
  for (const pass of [check(undefined, '1'), check(undefined, undefined), check('1', '1'), check(null, undefined)]) pass()
  for (const fail of [check('1', '2'), check('1', undefined), check(null, '1')]) {
    expect(fail).toThrow(expect.objectContaining({ code: 'SD_CONFLICT' }))
  }
})

describe('closing', () => {
  test('ends watches, closes the backend once, and rejects later calls', async () => {
    const iterator = source.watch()[Symbol.asyncIterator]()
    await iterator.next()
    const pending = iterator.next()
    await Promise.all([source.close(), source.close(), source[Symbol.asyncDispose]()])
    expect((await pending).done).toBe(true)
    expect([source.state, adapter.close.mock.calls.length]).toEqual(['closed', 1])
    const closed = { code: 'SD_CLOSED' }
    await expect(source.load()).rejects.toMatchObject(closed)
    await expect(source.put('a', 'x')).rejects.toMatchObject(closed)
    await expect(source.delete('a')).rejects.toMatchObject(closed)
    expect(() => source.watch()[Symbol.asyncIterator]()).toThrow(expect.objectContaining(closed))
  })

  test('is bounded in time when any step hangs', async () => {
    adapter.follow.mockImplementationOnce(() => forever)
    adapter.close.mockReturnValueOnce(forever)
    const ended = source.watch()[Symbol.asyncIterator]().next()
    const closing = source.close()
    await vi.advanceTimersByTimeAsync(2_000)
    await closing
    expect((await ended).done).toBe(true)
    expect(source.state).toBe('closed')
  })

  test('rejects with the error of the backend, and is closed nevertheless', async () => {
    adapter.close.mockRejectedValueOnce(unreachable)
    const broken = assembleWritableConfigSource(adapter)
    await expect(broken.close()).rejects.toBe(unreachable)
    expect(broken.state).toBe('closed')
  })
})
