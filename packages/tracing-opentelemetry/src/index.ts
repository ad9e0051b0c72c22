export { createTraceMiddleware, type TracedRequest, type TracedResponse, type TraceMiddleware } from './middleware.ts'
export type { TracingOptions } from './options.ts'
export { createTracing, type Tracing } from './tracing.ts'
