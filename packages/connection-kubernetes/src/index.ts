export type { ApiRequest, ApiResponse } from './api-client.ts'
export type { ApiEvent, ApiWatch } from './api-watch.ts'
export {
  type Collection,
  followCollection,
  type KubeObject,
  type KubernetesFollowOptions,
  type Listing,
  listCollection,
} from './collection.ts'
export { createKubernetesConnection, type KubernetesConnection } from './kubernetes-connection.ts'
export {
  CONNECTION_OPTIONS,
  checkDnsLabel,
  isDnsLabel,
  type KubernetesConnectionOptions,
  type ResolvedKubernetesConnectionOptions,
  resolveKubernetesConnectionOptions,
} from './options.ts'
