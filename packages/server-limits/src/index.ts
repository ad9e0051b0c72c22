export type { Admission, Refusal, RequestHead } from './admission.ts'
export type { NodeRequest, NodeResponse } from './node-request.ts'
export type { ServerLimitsOptions, ServerRateLimit } from './options.ts'
export { createServerLimits, type FastifyHooks, type LimitedRequest, type ServerLimits } from './server-limits.ts'
