export type { FastifyLimits, FastifyLogging, FastifyTracing, SdFastifyOptions } from './options.ts'
export { sdFastify } from './plugin.ts'
export type { FastifyService } from './service.ts'
