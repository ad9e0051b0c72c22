export { type Admin, createAdmin } from './admin.ts'
export type {
  AdminAlerts,
  AdminClient,
  AdminConfig,
  AdminControls,
  AdminDifference,
  AdminHistory,
  AdminLogger,
  AdminVersion,
  AdminVersionOptions,
  TriedCall,
} from './controls.ts'
export type { AdminOptions, AuthenticateRequest, Authentication, Principal, TokenAuthentication } from './options.ts'
export {
  ADMIN_PATH,
  ADMIN_PROTOCOL,
  type AdminControl,
  type AdminErrorBody,
  type AnswersReport,
  type AuditEntry,
  type CallRecord,
  type ChangeReport,
  type EdgeCounts,
  type EdgesReport,
  type HistoriesReport,
  type HistoryDiffReport,
  type HistoryReport,
  type HistoryVersion,
  LATENCY_BOUNDS,
  type ProcessEvent,
  type ProcessInfo,
  type ProcessSnapshot,
  type SamplesReport,
  type SlowReport,
  type StatesReport,
  type SystemReport,
  type TryCallReport,
} from './protocol.ts'
export type { MetricsReader, MetricValues } from './reads/databases.ts'
export { type AdminServer, type AdminTls, DEFAULT_ADMIN_PORT, type ServeAdminOptions, serveAdmin } from './serve-admin.ts'
