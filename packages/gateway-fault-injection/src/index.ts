export { createFaultInjectionFilter, type FaultInjectionParts } from './fault-filter.ts'
export type { FaultInjectionFilterOptions, FieldCondition, GatewayFaultRule } from './fault-options.ts'
