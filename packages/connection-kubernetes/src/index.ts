export {
  type Collection,
  type FollowOptions,
  followCollection,
  type KubeObject,
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
  type KubernetesConnectionSettings,
  readConnectionOptions,
} from './options.ts'
