import { checkFunction, checkKnownKeys, checkName, checkObject } from '@sd/core'
import { describeAlert } from './alert.ts'
import type { AlertChannel } from './channel.ts'

/** What is needed of a logger; pino's and that of `@sd/logging-pino` have it. */
export interface AlertLogger {
  /** Logs what is resolved, and what fires with severity `info`. */
  info(fields: object, message: string): void
  /** Logs what fires with severity `warning`. */
  warn(fields: object, message: string): void
  /** Logs what fires with severity `critical`. */
  error(fields: object, message: string): void
}

/** Options of {@link createLogChannel}. */
export interface LogChannelOptions {
  /** Where to log. */
  readonly logger: AlertLogger
  /** Its name, unique; rules refer to it. @default 'log' */
  readonly name?: string
}

const methods = { info: 'info', warning: 'warn', critical: 'error' } as const

/** Makes a channel that logs a line for each alert. @throws SdError `SD_INVALID` that names the option */
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
