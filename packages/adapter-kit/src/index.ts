export { type Backend, type BackendOptions, createBackend, type OperationContext } from './backend/backend.ts'
export { connectionHint } from './backend/connection-hint.ts'
export { type ConnectionTracker, createConnectionTracker } from './backend/connection-state.ts'
export { contentionError } from './backend/contention-error.ts'
export { observeOperation } from './backend/operation.ts'
export { checkProvided, type Provided, resolveProvided } from './backend/provided.ts'
export {
  type Credentials,
  checkCredentials,
  checkSecret,
  checkServerAddresses,
  checkServers,
  type ServerAddress,
  type ServerOptions,
  serverUrl,
} from './backend/server-options.ts'
export {
  assembleConfigSource,
  assembleWritableConfigSource,
  type ConfigAdapter,
  type ConfigWrite,
  checkRevision,
  conflictError,
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
  commonPrefixOf,
  readSelection,
  requiredError,
  selectEntries,
  toConfigEntry,
} from './config/config-selection.ts'
export { assembleLock, type LockAdapter, type TakeOptions } from './lock/assemble-lock.ts'
export type { TakenLock } from './lock/held-locks.ts'
export { keepSession, watchHeldLock } from './lock/lock-session.ts'
export {
  type AssembledReadOnlyRegistry,
  type AssembledRegistry,
  assembleReadOnlyRegistry,
  assembleRegistry,
  type ReadOnlyRegistryAdapter,
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
export { keepLatest, reportDuplicate } from './registry/latest-instances.ts'
export type { RegistrationContext, RegistrationDriver, RenewResult } from './registry/registration-driver.ts'
export {
  createRegistrationKeeper,
  type RegistrationKeeper,
  type RegistrationKeeperOptions,
} from './registry/registration-keeper.ts'
export {
  createRegistrationState,
  type RegistrationEnd,
  type RegistrationStateHolder,
  type RegistrationStateOptions,
} from './registry/registration-state.ts'
export { replaceServices } from './registry/replace-services.ts'
