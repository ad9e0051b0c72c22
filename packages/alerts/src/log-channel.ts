import { checkFunction, checkKnownKeys, checkName, checkObject } from '@sd/core'
import { describeAlert } from './alert.ts'
import type { AlertChannel } from './channel.ts'

/** The part of a logger that is used. Loggers of pino and `@sd/logging-pino` fit. */
export interface AlertLogger {
  /** Logs resolved alerts, and firing ones with severity `info`. */
  info(fields: object, message: string): void
  /** Logs firing alerts with severity `warning`. */
  warn(fields: object, message: string): void
  /** Logs firing alerts with severity `critical`. */
  error(fields: object, message: string): void
}

/** Options of {@link createLogChannel}. */
export interface LogChannelOptions {
  /** The logger. */
  readonly logger: AlertLogger
  /** Unique name, used by rules. @default 'log' */
  readonly name?: string
}

const methods = { info: 'info', warning: 'warn', critical: 'error' } as const

/** Creates a channel that logs a line for each alert. @throws SdError `SD_INVALID` that names the option */
export function createLogChannel(options: LogChannelOptions): AlertChannel {
  checkKnownKeys('', checkObject('options', options), ['logger', 'name'])
  const { logger, name = 'log' } = options
  checkName('name', name)
  for (const method of Object.values(methods)) checkFunction(`logger.${method}`, logger?.[method])
  return {
    name,
    async send({ alerts }) {
      for (const alert of alerts) {
        logger[alert.state === 'resolved' ? 'info' : methods[alert.severity]]({ alert }, describeAlert(alert))
      }
    },
  }
}
