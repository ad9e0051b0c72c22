export {
  type Collection,
  followCollection,
  type KubeObject,
  type KubernetesFollowOptions,
  type Listing,
  listCollection,
} from './collection.ts'
export {
  type ApiAnswer,
  type ApiEvent,
  type ApiRequest,
  type ApiWatch,
  createKubernetesConnection,
  type KubernetesConnection,
} from './kubernetes-connection.ts'
export {
  CONNECTION_OPTIONS,
  checkDnsLabel,
  isDnsLabel,
  type KubernetesConnectionOptions,
  type ResolvedKubernetesConnectionOptions,
  resolveKubernetesConnectionOptions,
} from './options.ts'
