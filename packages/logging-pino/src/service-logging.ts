import { checkFunction, checkObject } from '@sd/core'
import { createServiceLogging as createLogging, type ServiceLoggingOptions as Options, type ServiceLogging } from '@sd/logging'
import type { Logger } from 'pino'

/** Options of {@link createServiceLogging}. */
export interface ServiceLoggingOptions extends Omit<Options, 'logger' | 'plainErrors'> {
  /** The logger of `createLogger`, or any other pino logger. */
  readonly logger: Logger
}

/**
 * Logs requests, calls and events with pino, see `createServiceLogging` of `@sd/logging`. Errors are passed to pino as they
 * are, for its serializers.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createServiceLogging(options: ServiceLoggingOptions): ServiceLogging {
  const { logger } = checkObject('options', options) as unknown as ServiceLoggingOptions
  checkFunction('logger.isLevelEnabled', checkObject('logger', logger)['isLevelEnabled'] as Logger['isLevelEnabled'])
  return createLogging({
    ...options,
    plainErrors: false,
    logger: {
      isLevelEnabled: (level) => logger.isLevelEnabled(level),
      log: (level, message, fields) => logger[level](fields, message),
    },
  })
}
