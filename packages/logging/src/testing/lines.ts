import { createLogContext, type LogContext, type LogLevel, type ServiceLogger } from '../index.ts'

/** A logger that collects its lines, as an application would write one. */
export interface CollectingLogger {
  readonly logger: ServiceLogger & { info(message: string, fields: object): void }
  readonly context: LogContext
  /** All lines, as text. */
  text(): string
  /** All lines, parsed. */
  lines(): readonly Record<string, unknown>[]
}

export function createCollectingLogger(): CollectingLogger {
  const written: string[] = []
  const context = createLogContext()
  const log = (level: LogLevel, message: string, fields: object): void =>
    void written.push(JSON.stringify({ ...context.get(), ...fields, level, msg: message }))
  return {
    logger: { log, isLevelEnabled: () => true, info: (message, fields) => log('info', message, fields) },
    context,
    text: () => written.join('\n'),
    lines: () => written.map((line) => JSON.parse(line)),
  }
}
