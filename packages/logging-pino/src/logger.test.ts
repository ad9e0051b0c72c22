import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createLogContext, createLogger, type LoggerOptions, type WriterFailure } from './index.ts'
import { createCollectingLogger } from './testing/lines.ts'

afterEach(() => {
  vi.useRealTimers()
})

describe('a line', () => {
  test('has level, time, service, base and the fields of the context', () => {
    const { logger, context, lines } = createCollectingLogger({ base: { region: 'eu' } })
    logger.info({ total: 3 }, 'before')
    context.run({ request_id: 'r1', tenant: 't' }, () => {
      context.set({ user_id: 'u1', tenant: undefined })
      logger.child({ part: 'db' }).warn('inside')
      context.run({ request_id: 'r2' }, () => logger.error(new Error('deep')))
    })
    expect(lines().map(({ timestamp, ...line }) => line)).toMatchObject([
      { level: 'info', service: 'orders', region: 'eu', total: 3, msg: 'before' },
      { level: 'warn', service: 'orders', request_id: 'r1', user_id: 'u1', part: 'db', msg: 'inside' },
      { level: 'error', request_id: 'r2', user_id: 'u1', err: { type: 'Error', message: 'deep' }, msg: 'deep' },
    ])
    expect(lines()[0]).not.toHaveProperty('pid')
    expect(lines()[1]).not.toHaveProperty('tenant')
    expect(new Date(lines()[0]?.['timestamp'] as string).toISOString()).toBe(lines()[0]?.['timestamp'])
  })

  test('has pid and hostname by default, and the given trace', () => {
    const { logger, context, lines } = createCollectingLogger({ traceId: () => 'abc' })
    context.run({ trace_id: 'other' }, () => logger.info('x'))
    expect(lines()[0]).toMatchObject({ pid: process.pid, trace_id: 'abc' })
  })

  test('is one line of JSON for any values', () => {
    const { logger, context, text, lines } = createCollectingLogger()
    const evil = 'x\n{"level":"info","msg":"forged"}\r\u2028\u001b[31m"'
    context.run({ user_id: evil, [evil]: 1 }, () => logger.child({ evil }).info({ [`k${evil}`]: evil }, evil))
    expect(
      text()
        .trimEnd()
        .split(/[\r\n]/),
    ).toHaveLength(1)
    expect(lines()).toMatchObject([{ level: 'info', user_id: evil, evil, msg: evil }])
  })
})

describe('redaction', () => {
  test('no secret is written, at any place', () => {
    const { logger, context, text, lines } = createCollectingLogger({
      redact: { keys: ['iban'], paths: ['user.email', 'cards[*].number'] },
    })
    const secret = 'hunter2'
    const failure = Object.assign(new Error('refused'), {
      config: { headers: { Authorization: secret, accept: 'all' } },
      cause: Object.assign(new Error('why'), { accessToken: secret }),
    })
    context.run({ session_token: secret }, () => {
      const child = logger.child({ apiKey: secret, nested: { deep: { deeper: { deepest: { client_secret: secret } } } } })
      child.info({
        headers: { cookie: secret, 'set-cookie': [secret], 'proxy-authorization': secret },
        rawHeaders: ['Cookie', secret],
      })
      child.error({ err: failure, IBAN: secret }, 'failed')
      child.info({ user: { email: secret, name: 'Ann' }, cards: [{ number: secret, type: 'x' }], password: { old: secret } })
    })
    expect(text()).not.toContain(secret)
    expect(lines()[1]).toMatchObject({ err: { message: 'refused: why', config: { headers: { accept: 'all' } } }, msg: 'failed' })
    expect(lines()[2]).toMatchObject({ user: { email: '[Redacted]', name: 'Ann' }, cards: [{ number: '[Redacted]', type: 'x' }] })
  })

  test("keeps pino's own hooks and serializers", () => {
    const { logger, lines } = createCollectingLogger({
      pino: {
        serializers: { order: ({ id }: { id: number }) => id },
        hooks: { streamWrite: (line) => line.replace('before', 'after') },
        messageKey: 'message',
      },
    })
    logger.info({ order: { id: 5 }, token: 'x' }, 'before')
    expect(lines()[0]).toMatchObject({ order: 5, token: '[Redacted]', message: 'after' })
  })
})

describe('writers', () => {
  test('each receives the lines of its level', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sd-logging-'))
    const path = join(folder, 'deep', 'app.log')
    const stream = new PassThrough({ encoding: 'utf8' })
    const { logger, flush, close } = createLogger({
      service: 'orders',
      level: 'debug',
      writers: [
        { kind: 'file', path },
        { kind: 'stream', stream, level: 'warn' },
        { kind: 'stdout', level: 'silent' },
      ],
    })
    logger.trace('no')
    logger.debug('fine')
    logger.warn('loud')
    expect(await readFile(path, 'utf8')).toMatch(/"fine".*\n.*"loud"/)
    await flush()
    await Promise.all([close(), close()])
    logger.warn('late')
    expect(stream.read()).toMatch(/^[^\n]*"loud"[^\n]*\n$/)
    expect(await readFile(path, 'utf8')).not.toContain('late')
    expect(stream.listenerCount('error')).toBe(0)
    expect(stream.writableEnded).toBe(false)
    await rm(folder, { recursive: true })
  })

  test('a failing one does not affect the process or the others, and is reported at intervals', async () => {
    vi.useFakeTimers()
    const failures: WriterFailure[] = []
    const lines: string[] = []
    const breaking = new Writable({ write: (_chunk, _encoding, done) => done(new Error('broken pipe')) })
    const { logger, flush, close } = createLogger({
      service: 'orders',
      writers: [
        { kind: 'stream', stream: breaking },
        {
          kind: 'stream',
          stream: {
            write: () => {
              throw new Error('thrown')
            },
          },
        },
        { kind: 'file', path: '/dev/full' },
        { kind: 'stream', stream: { write: (line) => void lines.push(line) } },
      ],
      onError(failure) {
        failures.push(failure)
        throw new Error('so does the listener')
      },
    })
    for (let count = 0; count < 10; count++) logger.info('x')
    await setImmediate()
    await flush()
    expect(lines).toHaveLength(10)
    expect(failures.map(({ writer, error, failures: count }) => [writer, error.message.split(':')[0], count])).toEqual([
      ['file[2]', 'ENOSPC', 1],
      ['stream[1]', 'thrown', 1],
      ['stream[0]', 'broken pipe', 1],
    ])
    await vi.advanceTimersByTimeAsync(1_001)
    logger.info('x')
    expect(failures.find(({ writer, failures: count }) => writer === 'stream[1]' && count > 1)?.failures).toBe(10)
    vi.useRealTimers()
    await close()
  })

  test('a blocked one neither fills the memory nor delays the close', async () => {
    const failures: WriterFailure[] = []
    const stuck = new Writable({ write: () => undefined, decodeStrings: false })
    const { logger, flush, close } = createLogger({
      service: 'orders',
      writers: [{ kind: 'stream', stream: stuck }],
      flushTimeoutMs: 20,
      onError: (failure) => failures.push(failure),
    })
    const text = 'x'.repeat(1024 * 1024)
    for (let count = 0; count < 30; count++) logger.info(text)
    expect(stuck.writableLength).toBeLessThan(18 * 1024 * 1024)
    expect(failures[0]?.error.message).toContain('was dropped')
    await flush()
    await close()
    expect(stuck.listenerCount('error')).toBe(1)
  })

  test('are flushed if they can be', async () => {
    const flush = vi.fn((done: () => void) => done())
    const { logger, flush: flushAll } = createLogger({
      service: 'orders',
      writers: [{ kind: 'stream', stream: { write: () => undefined, flush } }],
    })
    logger.info('x')
    await flushAll()
    expect(flush).toHaveBeenCalledOnce()
  })

  test('failures are warnings by default', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const stream = {
      write: () => {
        throw new Error('thrown')
      },
    }
    createLogger({ service: 'orders', writers: [{ kind: 'stream', stream }] }).logger.info('x')
    expect(warn).toHaveBeenCalledWith('Log writer stream[0] failed 1 times: thrown', { code: 'SD_LOG_WRITER' })
    warn.mockRestore()
  })

  test('a file that cannot be opened is an error at once', () => {
    expect(() => createLogger({ service: 'orders', writers: [{ kind: 'file', path: '/dev/null/x' }] })).toThrow(
      expect.objectContaining({ code: 'SD_UNAVAILABLE' }),
    )
  })
})

test.each<[string, object]>([
  ['service', { service: '' }],
  ['level', { level: 'loud' }],
  ['levels', { levels: 'info' }],
  ['context.get', { context: {} }],
  ['redact.keys[0]', { redact: { keys: [''] } }],
  ['redact.path', { redact: { path: ['a'] } }],
  ['writers[0].kind', { writers: [{ kind: 'printer' }] }],
  ['writers[0].level', { writers: [{ kind: 'stdout', level: 'loud' }] }],
  ['writers[0].path', { writers: [{ kind: 'stdout', path: 'x' }] }],
  ['writers[0].stream.write', { writers: [{ kind: 'stream', stream: {} }] }],
  ['traceId', { traceId: 'abc' }],
  ['onError', { onError: 1 }],
  ['base', { base: 1 }],
  ['flushTimeoutMs', { flushTimeoutMs: -1 }],
])('%s is refused', (field, options) => {
  expect(() => createLogger({ service: 'orders', ...options } as LoggerOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', message: expect.stringContaining(`Invalid ${field}`) }),
  )
})

test('a context accepts objects, and contexts are independent', () => {
  const [one, other] = [createLogContext(), createLogContext()]
  expect(() => one.run(1 as never, () => 1)).toThrow('Invalid fields')
  one.set({ user_id: 'nowhere' })
  expect(one.get()).toEqual({})
  one.run({ user_id: 'u' }, () => expect([one.get(), other.get()]).toEqual([{ user_id: 'u' }, {}]))
})
