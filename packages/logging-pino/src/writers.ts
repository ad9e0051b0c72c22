import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { checkFunction, checkKnownKeys, checkObject, checkOneOf, checkText, settlesWithin, toSdError } from '@sd/core'
import type { DestinationStream, LevelWithSilent } from 'pino'

/** A stream to write to: a Node `Writable`, a pino transport, or any other object with `write`. */
export interface LogStream extends DestinationStream {
  /** Number of buffered bytes, if the stream reports it. */
  readonly writableLength?: number
  /** Calls `done` when everything is written, if the stream supports it. */
  flush?(done: (error?: Error) => void): void
  /** Adds a listener, if the stream has events. */
  on?(event: 'error', listener: (error: Error) => void): unknown
  /** Removes a listener, if the stream has events. */
  off?(event: 'error', listener: (error: Error) => void): unknown
}

/** A destination of log lines. */
export type LogWriter = {
  /** Minimum level of this writer, in addition to that of the logger. @default no further limit */
  readonly level?: LevelWithSilent
} & (
  | {
      /** Standard output or standard error. */
      readonly kind: 'stdout' | 'stderr'
    }
  | {
      /** A file to append to. Lines are written synchronously, so that none is lost when the process exits. */
      readonly kind: 'file'
      /** Path of the file; missing folders are created. */
      readonly path: string
    }
  | {
      /** A custom stream, which is not ended when the logger is closed. */
      readonly kind: 'stream'
      /** The stream. */
      readonly stream: LogStream
    }
)

/** Lines that could not be written. */
export interface WriterFailure {
  /** Kind and index of the writer, such as `file[1]`. */
  readonly writer: string
  /** The last error. */
  readonly error: Error
  /** Number of failures since the last report. */
  readonly failures: number
}

/** An open writer. Its failures are only reported, never thrown. */
export interface OpenWriter extends DestinationStream {
  /** Resolves when all lines are written. Never rejects. */
  flush(): Promise<void>
  /** Flushes and releases resources, within `limitMs`. Later lines are dropped. */
  close(limitMs: number): Promise<void>
}

/** Maximum number of buffered bytes per writer. Lines beyond are dropped and reported. */
const maxWaitingBytes = 16 * 1024 * 1024
/** Minimum time between two reports, in milliseconds: a full disk fails with every line. */
const reportEveryMs = 1_000

/** Opens a writer. @throws SdError `SD_INVALID`; `SD_UNAVAILABLE` if a file can't be opened */
export function openWriter(writer: LogWriter, index: number, report: (failure: WriterFailure) => void): OpenWriter {
  const field = `writers[${index}]`
  const kind = checkOneOf(`${field}.kind`, checkObject(field, writer)['kind'], ['stdout', 'stderr', 'file', 'stream'])
  const onError = createReporter(`${kind}[${index}]`, report)
  const ownKeys = { stdout: [], stderr: [], file: ['path'], stream: ['stream'] }
  checkKnownKeys(field, writer, ['kind', 'level', ...ownKeys[kind]])
  if (writer.kind === 'stream') {
    checkFunction(`${field}.stream.write`, checkObject(`${field}.stream`, writer.stream)['write'] as LogStream['write'])
    return openStream(writer.stream, onError)
  }
  if (writer.kind === 'file') return openFile(checkText(`${field}.path`, writer.path, 4_096), onError)
  return openStream(process[writer.kind], onError)
}

function createReporter(writer: string, report: (failure: WriterFailure) => void): (error: Error) => void {
  let failures = 0
  let reportedAt = Number.NEGATIVE_INFINITY
  return (error) => {
    failures++
    if (performance.now() - reportedAt < reportEveryMs) return
    reportedAt = performance.now()
    const failure = { writer, error, failures }
    failures = 0
    report(failure)
  }
}

function openDescriptor(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'a')
  } catch (error) {
    throw toSdError(error, 'SD_UNAVAILABLE', 'Opening a log file')
  }
}

function openFile(path: string, onError: (error: Error) => void): OpenWriter {
  const descriptor = openDescriptor(path)
  const { write, stop } = createGuard({ write: (line) => writeWhole(descriptor, line) }, onError)
  return {
    write,
    flush: async () => {},
    async close() {
      if (stop()) attempt(() => closeSync(descriptor), onError)
    },
  }
}

// Not SonicBoom, pino's own writer: its flush retries forever when the disk is full (4.2.1), and buffered lines are lost at exit.
function writeWhole(descriptor: number, line: string): void {
  let rest = Buffer.from(line)
  while (rest.length > 0) rest = rest.subarray(writeSync(descriptor, rest))
}

function openStream(stream: LogStream, onError: (error: Error) => void): OpenWriter {
  stream.on?.('error', onError)
  const { write, stop } = createGuard(stream, onError)
  async function flush(): Promise<void> {
    await new Promise<void>((resolve) => {
      function done(error?: Error | null): void {
        if (error) onError(error)
        resolve()
      }
      attempt(() => {
        if (stream.flush) stream.flush(done)
        else if (stream.writableLength === undefined) resolve()
        else (stream as NodeJS.WritableStream).write('', done)
      }, done)
    })
  }
  return {
    write(line) {
      if ((stream.writableLength ?? 0) <= maxWaitingBytes) write(line)
      else onError(new Error(`More than ${maxWaitingBytes} bytes are buffered: a line was dropped`))
    },
    flush,
    async close(limitMs) {
      if (!stop()) return
      // A busy stream can fail later, which without a listener would end the process.
      if (await settlesWithin(flush(), limitMs)) stream.off?.('error', onError)
    },
  }
}

/** Writes until stopped, and reports exceptions of the stream. */
function createGuard(
  stream: DestinationStream,
  onError: (error: Error) => void,
): DestinationStream & { readonly stop: () => boolean } {
  let isOpen = true
  return {
    write(line) {
      if (isOpen) attempt(() => stream.write(line), onError)
    },
    stop() {
      const wasOpen = isOpen
      isOpen = false
      return wasOpen
    },
  }
}

function attempt(action: () => void, onError: (error: Error) => void): void {
  try {
    action()
  } catch (error) {
    onError(error as Error)
  }
}
