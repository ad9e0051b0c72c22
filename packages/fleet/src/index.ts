export type {
  FleetChange,
  FleetEdge,
  FleetInstance,
  FleetModel,
  FleetProcess,
  FleetService,
  Problem,
  Ref,
  Traffic,
} from './model.ts'
