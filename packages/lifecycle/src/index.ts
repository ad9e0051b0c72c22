export type { DrainableServer } from './drainable-server.ts'
export { createLifecycle, type Lifecycle, type LifecycleState, type ShutdownReport } from './lifecycle.ts'
export type { LifecycleOptions, ShutdownHook } from './options.ts'
