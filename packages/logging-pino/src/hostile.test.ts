import { createHostileValues, createSeededRandom } from '@sd/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogger, createServiceLogging, type LogWriter, type OwnedLogger, type WriterFailure } from './index.ts'

const seed = 13
const rounds = 400

const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)
beforeEach(() => {
  process.on('unhandledRejection', onRejection)
})
afterEach(() => {
  process.off('unhandledRejection', onRejection)
  expect(rejections).toHaveLength(0)
})

interface Sink {
  readonly lines: string[]
  readonly failures: WriterFailure[]
  readonly owned: OwnedLogger
}

function createSink(options: Partial<Parameters<typeof createLogger>[0]> = {}): Sink {
  const lines: string[] = []
  const failures: WriterFailure[] = []
  const writer: LogWriter = { kind: 'stream', stream: { write: (line: string) => void lines.push(line) } }
  const onError = (failure: WriterFailure): void => void failures.push(failure)
  return { lines, failures, owned: createLogger({ service: 'orders', level: 'trace', writers: [writer], onError, ...options }) }
}

type AnyLog = (...values: readonly unknown[]) => void

test('logging arbitrary values does not throw, and every line is one line of JSON', () => {
  const { lines, failures, owned } = createSink()
  const hostile = createHostileValues(seed)
  const random = createSeededRandom(seed)
  let logged = 0
  for (let round = 0; round < rounds; round++) {
    const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
    const level = levels[Math.floor(random() * levels.length)] ?? 'info'
    const log: AnyLog = (...values) => {
      const before = lines.length
      ;(owned.logger[level] as AnyLog)(...values)
      logged += lines.length - before
    }
    log(hostile.next())
    log(hostile.next(), hostile.next())
    log({ err: hostile.nextError(), value: hostile.next() }, 'x')
    log('x %s %d %j %o', hostile.next(), hostile.next(), hostile.next())
    log(hostile.nextError())
    owned.logger.child({ value: hostile.next() }).info('x')
    owned.logger.child(hostile.nextObject() as never).info('x')
    owned.logger
      .child({})
      .child(hostile.nextObject() as never)
      .error(hostile.nextError())
    owned.context.run({ value: hostile.next() }, () => {
      owned.context.set({ other: hostile.next() })
      owned.logger.info('x')
    })
  }
  expect([failures, logged]).toEqual([[], rounds * 5])
  expect(lines.length).toBeGreaterThanOrEqual(rounds * 9)
  for (const line of lines) {
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(() => JSON.parse(line), line.slice(0, 1_000)).not.toThrow()
  }
})

test('readable parts of a hostile object are in the line, with a note for unreadable parts', () => {
  const { lines, owned } = createSink()
  const fields = Object.defineProperty({ order: 7 }, 'total', {
    enumerable: true,
    get() {
      throw new Error('lazy')
    },
  })
  owned.logger.warn(fields, 'refunded')
  const error = Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('lazy')
    },
  })
  owned.logger.error(error, 'failed')
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  owned.logger.info(proxy)
  owned.logger.info(Object.assign(new Error('x'), { message: Symbol('no text') }))
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { msg: 'refunded', order: 7, total: "[can't be read: lazy]" },
    { msg: 'failed', err: { name: 'Error', message: "[can't be read: lazy]" } },
    { level: 'info', value: expect.stringContaining("[can't be read: ") },
    { level: 'info' },
  ])
})

test('no line is lost when functions of the user throw', () => {
  const fail = (): never => {
    throw new Error('mine')
  }
  const { lines, owned } = createSink({ traceId: fail })
  owned.logger.info('x')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'x' })
  const broken = createSink({ pino: { hooks: { logMethod: fail } } })
  broken.owned.logger.info('x')
  expect(broken.failures).toMatchObject([{ writer: 'logger', error: { code: 'SD_INVALID' } }])
  const own = createSink({ pino: { hooks: { logMethod: (args, method) => method.apply(owned.logger, args) } } })
  own.owned.logger.info('through a hook')
  expect(lines.at(-1)).toContain('through a hook')
})

test('a request ends normally when its context, filter or logger fails', () => {
  const { owned } = createSink()
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  const logger = {
    isLevelEnabled: () => true,
    info() {
      throw new Error('a logger of another making')
    },
  }
  const logging = createServiceLogging({
    logger: logger as never,
    context: owned.context,
    events: false,
    isLogged() {
      throw new Error('a filter')
    },
  })
  process.on('warning', onWarning)
  let close: () => void = () => undefined
  const response = {
    statusCode: 200,
    writableFinished: true,
    setHeader: () => undefined,
    once(_: string, listener: () => void) {
      close = listener
    },
  }
  logging.middleware({ headers: {}, method: 'GET', url: '/' } as never, response as never, () => {
    owned.context.set({ value: Proxy.revocable({}, {}).proxy })
  })
  expect(close).not.toThrow()
  process.off('warning', onWarning)
})
