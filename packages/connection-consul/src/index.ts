export type { Answer, CallOptions, ConsulClient, QueryOptions, RawRequest, RawResponse } from './consul-client.ts'
export { type ConsulConnection, createConsulConnection, ping, type Target } from './consul-connection.ts'
export { explain, isAnswer, unlessMissing } from './consul-errors.ts'
export { type Found, followQuery, type Query, queryOnce } from './consul-watch.ts'
export {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  type ConsulConnectionSettings,
  checkPrefix,
  readConnectionOptions,
} from './options.ts'
