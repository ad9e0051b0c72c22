export type { ApiEvent, ApiRequest, ApiResponse, ApiWatch } from './api-messages.ts'
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
