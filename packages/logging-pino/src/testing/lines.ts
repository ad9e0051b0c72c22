import { createLogContext, createLogger, type LoggerOptions, type OwnedLogger } from '../index.ts'

/** A logger that collects its lines. */
export interface CollectingLogger extends OwnedLogger {
  /** All lines, as text. */
  text(): string
  /** All lines, parsed. */
  lines(): readonly Record<string, unknown>[]
}

export function createCollectingLogger(options: Partial<LoggerOptions> = {}): CollectingLogger {
  const written: string[] = []
  const stream = { write: (line: string) => void written.push(line) }
  const context = createLogContext()
  const owned = createLogger({ service: 'orders', level: 'trace', context, writers: [{ kind: 'stream', stream }], ...options })
  return {
    ...owned,
    text: () => written.join(''),
    lines: () => written.map((line) => JSON.parse(line)),
  }
}
