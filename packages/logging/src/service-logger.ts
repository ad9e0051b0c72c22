import { checkFunction, checkObject } from '@sd/core'
import type { LogLine } from './event-lines.ts'

/** Level of a line. */
export type LogLevel = LogLine['level']

/**
 * What a logger must do. A winston logger fits as it is, and `console` too. For others write the one method:
 * `{ log: (level, message, fields) => logger[level](fields, message) }` fits bunyan and pino.
 */
export interface ServiceLogger {
  /** Writes a line. An error that it throws is reported, and does not affect the request. */
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): unknown
  /** Whether lines of a level are written. Others are not made. @default all are */
  isLevelEnabled?(level: LogLevel): boolean
}

/** @throws SdError `SD_INVALID` that names the method */
export function checkLogger(logger: ServiceLogger): ServiceLogger {
  checkFunction('logger.log', checkObject('logger', logger)['log'] as ServiceLogger['log'])
  if (logger.isLevelEnabled !== undefined) checkFunction('logger.isLevelEnabled', logger.isLevelEnabled)
  return logger
}
