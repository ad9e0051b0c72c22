export type { TokenAlgorithm } from './algorithms.ts'
export { type AuthJwtParts, createAuthJwtFilter } from './auth-jwt-filter.ts'
export type { AuthJwtOptions, JwksCacheOptions } from './auth-jwt-options.ts'
