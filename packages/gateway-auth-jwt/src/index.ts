export type { TokenAlgorithm } from './algorithms.ts'
export { createAuthJwtFilter } from './auth-jwt-filter.ts'
export type { AuthJwtOptions, JwksCacheOptions } from './auth-jwt-options.ts'
