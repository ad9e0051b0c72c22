export type { Admission, Refusal, RequestHead } from './admission.ts'
export type { ServerLimitsOptions, ServerRateLimit } from './options.ts'
export type { NodeRequest, NodeResponse } from './served-request.ts'
export { createServerLimits, type FastifyHooks, type LimitedRequest, type ServerLimits } from './server-limits.ts'
