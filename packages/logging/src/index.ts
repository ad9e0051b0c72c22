export { type AccessEvent, type AccessLog, type AccessLogOptions, createAccessLog } from './access-log.ts'
export { createLogContext, type LogContext, type LogFields } from './log-context.ts'
export { copyFields, copyPlain } from './plain-copy.ts'
export type { LogLevel, ServiceLogger } from './service-logger.ts'
export {
  createServiceLogging,
  type FastifyHooks,
  type ServiceLogging,
  type ServiceLoggingOptions,
} from './service-logging.ts'
