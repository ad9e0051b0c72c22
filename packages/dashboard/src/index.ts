export type { DashboardAuditEntry } from './changes/audit.ts'
export type {
  DashboardCanary,
  DashboardCanaryRule,
  DashboardCanaryVersion,
  DashboardConfigs,
  DashboardDifference,
  DashboardHistory,
  DashboardVerification,
  DashboardVersion,
  DashboardWriteOptions,
} from './configs/config-interface.ts'
export { createDashboard, type Dashboard } from './dashboard.ts'
export type { DashboardFleet } from './fleet-interface.ts'
export type { DashboardOptions } from './options.ts'
export type { DashboardAuthentication, Principal } from './security/authentication.ts'
export { type DashboardServer, type ServeDashboardOptions, serveDashboard } from './serve-dashboard.ts'
