import { SdError } from '@sd/core'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { ResponseBody } from './response-body.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const broken = new SdError('SD_UNAVAILABLE', 'connection reset')

function create() {
  const source = { resume: vi.fn(), cancel: vi.fn() }
  const body = new ResponseBody(source)
  const push = (...texts: readonly string[]): readonly boolean[] => texts.map((text) => body.push(Buffer.from(text)))
  return { source, body, push }
}

/** A sink that asks for a pause after these numbers of chunks. */
function createSink(pauseAfter: readonly number[] = []) {
  const received: string[] = []
  return {
    received,
    onData(chunk: Uint8Array) {
      received.push(Buffer.from(chunk).toString())
      return !pauseAfter.includes(received.length)
    },
    onEnd: (error: SdError | undefined) => void received.push(error ? error.code : 'end'),
  }
}

async function readAll(body: ResponseBody, limit: number = 1_000_000): Promise<string> {
  return Buffer.from(await body.readAll(limit)).toString()
}

async function iterate(body: ResponseBody): Promise<readonly string[]> {
  const texts: string[] = []
  for await (const chunk of body) texts.push(Buffer.from(chunk).toString())
  return texts
}

test('however it is fed and read, its chunks arrive in order, and its end comes last', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.string({ minLength: 1, maxLength: 4 }) },
    { weight: 2, arbitrary: fc.constant(null) },
  )
  const reader = fc.constantFrom('all', 'iterate', 'pipe')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), reader, fc.nat(20), fc.boolean(), async (steps, how, begin, fails) => {
      const { body } = create()
      const sink = createSink([1, 3, 4])
      let reading: Promise<string> | undefined
      const start = (): void => {
        if (how === 'all') reading = readAll(body)
        else if (how === 'iterate') reading = iterate(body).then((texts) => texts.join(''))
        else body.pipe(sink)
        reading?.catch(() => undefined)
      }
      for (const [index, one] of steps.entries()) {
        if (index === begin) start()
        if (one !== null) body.push(Buffer.from(one))
        else {
          body.resume()
          await turn()
        }
      }
      if (fails) body.fail(broken)
      else body.end()
      if (begin >= steps.length) start()
      for (let time = 0; time < 5; time++) body.resume()
      const expected = steps.filter((one) => one !== null)
      if (how === 'pipe') {
        const chunks = sink.received.slice(0, -1)
        // An error need not wait for a sink that is paused.
        expect(chunks).toEqual(fails ? expected.slice(0, chunks.length) : expected)
        expect(sink.received.at(-1)).toBe(fails ? 'SD_UNAVAILABLE' : 'end')
      } else if (fails) await expect(reading).rejects.toBe(broken)
      else expect(await reading).toBe(expected.join(''))
    }),
    { seed: 1, numRuns: 300 },
  )
})

describe('backpressure', () => {
  test('a body that is not read is held back at 64 KiB, and flows again once less is buffered', async () => {
    const { body, push, source } = create()
    expect(push('x'.repeat(65_535), 'y')).toEqual([true, false])
    const chunks = body[Symbol.asyncIterator]()
    expect(source.resume).not.toHaveBeenCalled()
    await chunks.next()
    expect(source.resume).toHaveBeenCalledOnce()
    await chunks.next()
    expect(source.resume).toHaveBeenCalledOnce()
  })

  test('reading all lets it flow up to the limit', async () => {
    const { body, push, source } = create()
    expect(push('x'.repeat(65_536))).toEqual([false])
    const all = readAll(body)
    expect(source.resume).toHaveBeenCalledOnce()
    expect(push('y'.repeat(200_000))).toEqual([true])
    body.end()
    expect((await all).length).toBe(265_536)
  })

  test('a sink that asks for a pause gets nothing until it resumes, and then all of it', () => {
    const { body, push, source } = create()
    const sink = createSink([1])
    body.pipe(sink)
    expect(push('a', 'b', 'c')).toEqual([false, false, false])
    expect(sink.received).toEqual(['a'])
    body.resume()
    expect([sink.received, source.resume.mock.calls.length]).toEqual([['a', 'b', 'c'], 1])
    body.resume()
    expect(source.resume).toHaveBeenCalledOnce()
    expect(push('d')).toEqual([true])
    expect(sink.received.at(-1)).toBe('d')
  })

  test('a sink that was paused gets the end after the chunks before it', () => {
    const { body, push } = create()
    const sink = createSink()
    body.pipe(sink)
    body.pause()
    push('a')
    body.end()
    expect(sink.received).toEqual([])
    body.resume()
    expect(sink.received).toEqual(['a', 'end'])
  })

  test('a sink that was paused gets an error at once, without the chunks before it', () => {
    const { body, push } = create()
    const sink = createSink()
    body.pipe(sink)
    body.pause()
    push('a')
    body.fail(broken)
    expect(sink.received).toEqual(['SD_UNAVAILABLE'])
  })

  test('a pause before there is a sink has no effect', () => {
    const { body, push } = create()
    body.pause()
    const sink = createSink()
    body.pipe(sink)
    push('a')
    expect(sink.received).toEqual(['a'])
  })
})

describe('the limit of a body', () => {
  test.each([
    ['before it is read', true],
    ['while it is read', false],
  ])('is noticed %s, and ends the exchange after the chunk', async (_, isEarly) => {
    const { body, push, source } = create()
    if (isEarly) push('abcd')
    const all = body.readAll(3)
    if (!isEarly) push('abc', 'd')
    expect(source.cancel).not.toHaveBeenCalled()
    await expect(all).rejects.toMatchObject({
      code: 'SD_TOO_LARGE',
      message: 'The response body is larger than maxResponseBytes = 3',
    })
    expect(source.cancel).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'SD_TOO_LARGE' }))
  })

  test('may be reached', async () => {
    const { body, push, source } = create()
    push('abc')
    body.end()
    expect(await readAll(body, 3)).toBe('abc')
    expect(source.cancel).not.toHaveBeenCalled()
  })
})

describe('a body is read once', () => {
  test.each<[string, (body: ResponseBody) => unknown]>([
    ['read', (body) => body.readAll(1)],
    ['iterated', (body) => body[Symbol.asyncIterator]()],
    ['piped', (body) => body.pipe(createSink())],
    ['cancelled', (body) => body.cancel()],
  ])('also after it was %s', async (_, use) => {
    const { body } = create()
    expect(body.isUsed).toBe(false)
    use(body)
    expect(body.isUsed).toBe(true)
    await expect(body.readAll(1)).rejects.toThrow('The response body was already read or cancelled')
    expect(() => body.pipe(createSink())).toThrow(expect.objectContaining({ code: 'SD_INVALID' }))
  })

  test('and leaving it early ends the exchange, unless it is complete', async () => {
    const early = create()
    early.push('a')
    for await (const _ of early.body) break
    expect(early.source.cancel).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'SD_ABORTED' }))
    const complete = create()
    complete.push('a')
    complete.body.end()
    for await (const _ of complete.body) break
    expect(complete.source.cancel).not.toHaveBeenCalled()
  })

  test('an error comes after the chunks that arrived before it', async () => {
    const { body, push } = create()
    push('a')
    body.fail(broken)
    const chunks = body[Symbol.asyncIterator]()
    expect(await chunks.next()).toMatchObject({ done: false })
    await expect(chunks.next()).rejects.toBe(broken)
  })
})

describe('a copy', () => {
  test('is given once the body is complete, however it is read', async () => {
    const { body, push } = create()
    const onComplete = vi.fn()
    push('a')
    body.tap(10, onComplete)
    body.pipe(createSink())
    push('b')
    expect(onComplete).not.toHaveBeenCalled()
    body.end()
    expect(onComplete).toHaveBeenCalledExactlyOnceWith(Buffer.from('ab'))
  })

  test('of a complete body is given at once', () => {
    const { body, push } = create()
    push('ab')
    body.end()
    const onComplete = vi.fn()
    body.tap(2, onComplete)
    expect(onComplete).toHaveBeenCalledExactlyOnceWith(Buffer.from('ab'))
  })

  test.each<[string, (created: ReturnType<typeof create>) => void]>([
    ['too large before', ({ push }) => void push('abc')],
    ['too large with what follows', ({ push }) => void push('a')],
  ])('is not given of a body that is %s', (_, feed) => {
    const created = create()
    const onComplete = vi.fn()
    feed(created)
    created.body.tap(2, onComplete)
    created.push('bc')
    created.body.end()
    expect(onComplete).not.toHaveBeenCalled()
  })

  test('is not given of a body that fails', () => {
    const { body, push } = create()
    const onComplete = vi.fn()
    body.tap(10, onComplete)
    push('a')
    body.fail(broken)
    expect(onComplete).not.toHaveBeenCalled()
  })
})
