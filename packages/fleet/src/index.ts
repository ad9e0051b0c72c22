export type { CallerFinding, InstanceFinding, ServiceFinding } from './explain.ts'
export { createFleet, type ExplainOptions, type Fleet } from './fleet.ts'
export type {
  ChangeKind,
  FleetChange,
  FleetEdge,
  FleetInstance,
  FleetModel,
  FleetProcess,
  FleetService,
  InstanceView,
  Problem,
  Ref,
  Traffic,
  TrafficPoint,
} from './model.ts'
export type { FleetOptions, FleetSource, FleetToken } from './options.ts'
export { DEFAULT_NETWORKS } from './process/networks.ts'
export type { TrafficRef } from './traffic/traffic-store.ts'
