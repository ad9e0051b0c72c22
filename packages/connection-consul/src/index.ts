export type { Answer, CallOptions, ConsulClient, QueryOptions, RawRequest, RawResponse } from './consul-client.ts'
export { type ConsulConnection, createConsulConnection, ping, type RunOptions, type Target } from './consul-connection.ts'
export { type ConsulResponse, explain, isAnswer, responseOf, unlessMissing } from './consul-errors.ts'
export { type Found, followQuery, type Query, queryOnce } from './consul-watch.ts'
export {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  type ConsulConnectionSettings,
  checkPrefix,
  readConnectionOptions,
} from './options.ts'
