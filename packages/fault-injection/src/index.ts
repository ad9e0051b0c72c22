export { FAULT_HEADER } from './fault-header.ts'
export { createFaultInjection, type FaultInjection, type FaultInjectionOptions } from './fault-injection.ts'
export { checkFaultSettings, type FaultRule, type FaultSettings } from './fault-settings.ts'
