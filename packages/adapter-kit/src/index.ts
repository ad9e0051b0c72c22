export { type Backend, type BackendOptions, createBackend, type ReadOptions } from './backend/backend.ts'
export { connectionHint } from './backend/connection-hint.ts'
export { type Connection, createConnection } from './backend/connection-state.ts'
export { observeOperation } from './backend/operation.ts'
export { checkProvided, type Provided, resolveProvided } from './backend/provided.ts'
export {
  type Credentials,
  checkCredentials,
  checkEndpoints,
  checkSecret,
  checkServers,
  endpointUrl,
  type ServerEndpoint,
  type ServerOptions,
} from './backend/server-options.ts'
export {
  assembleConfigSource,
  assembleWritableConfigSource,
  type ConfigAdapter,
  type ConfigWrite,
  checkRevision,
  configConflict,
  type WritableConfigAdapter,
} from './config/assemble-config-source.ts'
export {
  CONFIG_FORMATS,
  checkConfigKey,
  checkContent,
  checkFormat,
  createConfigDocument,
  formatOfKey,
  isConfigKey,
} from './config/config-document.ts'
export {
  CONFIG_SELECTION_OPTIONS,
  type ConfigSelection,
  type ConfigSelectionOptions,
  type ConfigText,
  checkChosenKey,
  checkConfigKeys,
  readSelection,
  selectEntries,
  toConfigEntry,
} from './config/config-selection.ts'
export { assembleLock, type LockAdapter, type TakenLock, type TakeOptions } from './lock/assemble-lock.ts'
export { keepSession, watchHeldLock } from './lock/lock-session.ts'
export {
  type AssembledRegistry,
  type AssembledSource,
  assembleDiscoverySource,
  assembleRegistry,
  type DiscoveryAdapter,
  type RegistryAdapter,
} from './registry/assemble-registry.ts'
export { createDepartures } from './registry/departures.ts'
export { dubboPorts, dubboProtocol } from './registry/dubbo-endpoints.ts'
export { kratosEndpoints, kratosPorts, kratosProtocol, readForeignPorts } from './registry/foreign-ports.ts'
export {
  buildForeignInstance,
  decodeEntries,
  decodeInstance,
  encodeInstance,
  type InstanceDocument,
  type InstancePlace,
  isKratosDocument,
  parseJsonObject,
  readIncarnation,
} from './registry/instance-codec.ts'
export { createKeyedQueue, type KeyedQueue } from './registry/keyed-queue.ts'
export { keepLatest, tellLeftOut } from './registry/latest-instances.ts'
export type { RegistrationContext, RegistrationDriver, RenewResult } from './registry/registration-driver.ts'
export {
  createRegistrationKeeper,
  type RegistrationKeeper,
  type RegistrationKeeperOptions,
} from './registry/registration-keeper.ts'
export { replaceServices } from './registry/replace-services.ts'
