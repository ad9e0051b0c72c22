import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { checkFunction, checkKnownKeys, checkObject, checkOneOf, checkText, settlesWithin, toSdError } from '@sd/core'
import type { DestinationStream, LevelWithSilent } from 'pino'

/** A stream to write to: a Node `Writable`, a transport of pino, or anything else with `write`. */
export interface LogStream extends DestinationStream {
  /** Bytes that wait to be written, where the stream tells. */
  readonly writableLength?: number
  /** Calls back once all is written, where the stream can. */
  flush?(done: (error?: Error) => void): void
  /** Attaches a listener, where the stream has events. */
  on?(event: 'error', listener: (error: Error) => void): unknown
  /** Detaches a listener, likewise. */
  off?(event: 'error', listener: (error: Error) => void): unknown
}

/** Where lines go. */
export type LogWriter = {
  /** Lowest level that it gets, of those that the logger lets through. @default all of them */
  readonly level?: LevelWithSilent
} & (
  | {
      /** Standard output or standard error. */
      readonly kind: 'stdout' | 'stderr'
    }
  | {
      /** A file, which is appended to. Each line is written at once: none is lost when the process exits. */
      readonly kind: 'file'
      /** Its path; missing folders are made. */
      readonly path: string
    }
  | {
      /** A stream of your own, which is not ended when the logger is closed. */
      readonly kind: 'stream'
      /** The stream. */
      readonly stream: LogStream
    }
)

/** Lines that could not be written. */
export interface WriterFailure {
  /** Which writer: its kind and index, such as `file[1]`. */
  readonly writer: string
  /** Why, the last time. */
  readonly error: Error
  /** How many failures there were since the last report. */
  readonly failures: number
}

/** A writer at work. Nothing that goes wrong inside leaves it but by the report. */
export interface OpenWriter extends DestinationStream {
  /** Resolves once what was written is out; never rejects. */
  flush(): Promise<void>
  /** Flushes, and frees what belongs to the writer; within `limitMs`. Lines that come later are dropped. */
  close(limitMs: number): Promise<void>
}

/** Most that waits in memory for one writer; lines beyond are dropped and reported. */
const maxWaitingBytes = 16 * 1024 * 1024
/** A disk that is full fails with every line: one report in this time is enough, in milliseconds. */
const reportEveryMs = 1_000

/** Opens a writer. @throws SdError `SD_INVALID`; `SD_UNAVAILABLE` when a file can't be opened */
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

// Not SonicBoom, pino's own writer: its flush tries for ever when the disk is full (4.2.1), and what waits in it dies with the process.
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
      else onError(new Error(`More than ${maxWaitingBytes} bytes wait: a line was dropped`))
    },
    flush,
    async close(limitMs) {
      if (!stop()) return
      // A stream that is still busy may fail later, which without a listener would end the process.
      if (await settlesWithin(flush(), limitMs)) stream.off?.('error', onError)
    },
  }
}

/** Writes until stopped, whatever the stream throws. */
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
