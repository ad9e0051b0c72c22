export type { ConsulTarget } from './agent-requests.ts'
export type { CallOptions, ConsulClient, LibraryResponse, QueryOptions, RawRequest, RawResponse } from './consul-client.ts'
export { type ConsulConnection, createConsulConnection, ping, type RunOptions } from './consul-connection.ts'
export { type ConsulResponse, isAgentResponse, responseOf, toConsulError, unlessMissing } from './consul-errors.ts'
export { type Found, followQuery, type Query, queryOnce } from './consul-watch.ts'
export {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  checkPrefix,
  type ResolvedConsulConnectionOptions,
  resolveConsulConnectionOptions,
} from './options.ts'
