export { createCorsFilter } from './cors-filter.ts'
export type { CorsOptions } from './cors-options.ts'
