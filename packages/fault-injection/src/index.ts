export { type FaultTarget, faultsOf, matchesFaultRule } from './fault-choice.ts'
export { FAULT_HEADER, readFaultHeader } from './fault-header.ts'
export { createFaultInjection, type FaultInjection, type FaultInjectionOptions } from './fault-injection.ts'
export {
  checkFaultSettings,
  checkRule as checkFaultRule,
  type FaultRule,
  type FaultSettings,
  type ResolvedRule as ResolvedFaultRule,
} from './fault-settings.ts'
