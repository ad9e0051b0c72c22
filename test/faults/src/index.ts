export { type ClusterHarness, clusterFaults, type LockClusterHarness, lockClusterFaults } from './cluster-faults.ts'
export type { ConfigFaultHarness } from './config-fault-context.ts'
export { configFaults } from './config-faults.ts'
export { createFaultContext, type FaultContext, type FaultHarness, type RegistrySubject } from './fault-context.ts'
export {
  createFaultScene,
  FAULT_TIMEOUT_MS,
  type FaultScene,
  type FaultSubject,
  type FaultTarget,
  isLongRun,
} from './fault-scene.ts'
export { registryFaults } from './faults.ts'
