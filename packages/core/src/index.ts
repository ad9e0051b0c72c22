export { type BackoffOptions, createBackoff, spread } from './async/backoff.ts'
export { createLatestWins, type LatestWins } from './async/latest-wins.ts'
export { guardListener } from './async/listener.ts'
export { followLoop, judgeLimit, readStandstillMs } from './async/loop-time.ts'
export { createNotifier } from './async/notifier.ts'
export type { OperationOptions } from './async/operation-options.ts'
export { createSemaphore, type Semaphore } from './async/semaphore.ts'
export { delayBeforeRetry, readServerDelay } from './async/server-delay.ts'
export { settlesWithin, sleep, untilAborted, withAnySignal, withTimeout } from './async/timers.ts'
export { createWatchHub, type WatchHub, type WatchSession } from './async/watch-hub.ts'
export type { Staleness, Watched } from './async/watched.ts'
export { createAliasTable, drawIndex } from './balancing/alias-table.ts'
export {
  type Balancer,
  type EndpointView,
  isPickable,
  type Picker,
  type PickRequest,
  scanPickable,
} from './balancing/balancer.ts'
export {
  type AttachedBalancer,
  type Cluster,
  type ClusterExplanation,
  type ClusterSource,
  checkClusterSource,
  type DropRule,
  describeNoInstance,
  type EndpointExplanation,
  formatOut,
} from './balancing/cluster.ts'
export { createEndpoint, type Endpoint, endpointKey, isSecureProtocol } from './balancing/endpoint.ts'
export type { EndpointOut, OutReason, OverruledBlocks } from './balancing/endpoint-blocks.ts'
export type { AttachedMonitor, Ejection, EndpointCheck, EndpointMonitor, MonitoredCluster } from './balancing/monitor.ts'
export type { AttemptContext, CallContext, CallResponse, HeaderFields, Interceptor, RequestBody } from './call/call.ts'
export { DEADLINE_HEADER, readDeadline } from './call/deadline.ts'
export { type CallPickRequest, type ForwardedAddressOptions, forwardedAddress } from './call/forwarded-address.ts'
export { IDEMPOTENCY_HEADER, IDEMPOTENT_METHODS, isIdempotent } from './call/idempotency.ts'
export {
  deadlineOrigin,
  isFairTime,
  isOwnLimit,
  isRepeatable,
  judgeOutcome,
  type Outcome,
  originOf,
  type ResponseVerdict,
} from './call/outcome.ts'
export { PRIORITY_HEADER, readPriority } from './call/request-priority.ts'
export type {
  ConfigAnnotations,
  ConfigDocument,
  ConfigEntry,
  ConfigFormat,
  ConfigSource,
  ConfigSourceCapabilities,
  ConfigWriteOptions,
  WritableConfigSource,
} from './config/config-source.ts'
export {
  abortError,
  closedError,
  describeThrown,
  type OutcomeOrigin,
  SdError,
  type SdErrorCode,
  type SdErrorOptions,
  toSdError,
} from './errors.ts'
export { createServiceInstance, RESERVED_METADATA_PREFIX, updateServiceInstance } from './instance/instance.ts'
export { readIpAddress, readIpNetwork } from './instance/ip-address.ts'
export {
  instanceAtPort,
  isPortName,
  maxPorts,
  protocolAtPort,
  sameHealthCheck,
  splitPortReference,
} from './instance/ports-and-checks.ts'
export {
  HEALTH_STATUSES,
  type HealthCheckSpec,
  type HealthSpec,
  type HealthStatus,
  type InstanceSpec,
  type InstanceUpdate,
  type Locality,
  type ServiceInstance,
} from './instance/service-instance.ts'
export {
  type AllServices,
  collectServices,
  createSnapshot,
  diffSnapshots,
  keepIfSame,
  type ServiceSnapshot,
  type SnapshotChange,
} from './instance/snapshot.ts'
export { type ElectionOptions, electLeader } from './lock/elect-leader.ts'
export type {
  AcquireOptions,
  HeldLock,
  ListLocksOptions,
  Lock,
  LockCapabilities,
  LockHandle,
  LockHolder,
  LockList,
} from './lock/lock.ts'
export { MASK } from './masking/masked-text.ts'
export { createMasking, type Masking, type MaskingOptions, masking } from './masking/masking.ts'
export { checkServiceName, escapeName, unescapeName } from './names.ts'
export {
  type AdmissionPolicy,
  type CallPriority,
  type ConcurrencyLimit,
  type LimitRequest,
  type Permit,
  priorityShares,
} from './policy/admission.ts'
export { BoundedMap } from './policy/bounded-map.ts'
export type {
  CircuitBreaker,
  CircuitBreakerOptions,
  CircuitChange,
  CircuitChangeReason,
  CircuitFallback,
  CircuitState,
  CircuitWindowOptions,
  ExecuteOptions,
} from './policy/circuit-breaker.ts'
export type { HedgedAttempt, HedgedEnd, HedgeHooks, HedgePolicy } from './policy/hedge-policy.ts'
export { createLatencyHistogram } from './policy/latency-histogram.ts'
export {
  acquireOrReject,
  type RateLimitAcquireOptions,
  type RateLimitDecision,
  type RateLimiter,
  rateLimitHeaders,
  rateLimitKey,
} from './policy/rate-limit.ts'
export { createRetryBudget, type RetryBudget, type RetryBudgetOptions } from './policy/retry-budget.ts'
export type { AttemptResult, RetryPolicy } from './policy/retry-policy.ts'
export type {
  ConnectionState,
  Discoverer,
  ReadOnlyRegistry,
  RegisterOptions,
  Registrar,
  Registration,
  RegistrationState,
  Registry,
  RegistryCapabilities,
} from './registry/registry.ts'
export type {
  AlertAnswer,
  AlertsAnswer,
  CallsAnswer,
  CheckAnswer,
  ClusterAnswer,
  ConfigAnswer,
  EndpointAnswer,
  GatewayAnswer,
  HealthAnswer,
  LifecycleAnswer,
  LockAnswer,
} from './telemetry/answers.ts'
export { ADMIN_PORT, answerInquiries, type Inquiries, type InquiryKind, inquire, MAX_ANSWER_ITEMS } from './telemetry/inquiry.ts'
export {
  type BackendRole,
  type ClusterStateReport,
  type ConfigStateReport,
  collectStates,
  reportStates,
  type StateReport,
} from './telemetry/state-report.ts'
export { hasTelemetrySubscribers, publishTelemetry, subscribeTelemetry, type TelemetryChannel } from './telemetry/telemetry.ts'
export type { RefusingPolicy, ServerRefusalReason, TelemetryCall, TelemetryEvents } from './telemetry/telemetry-events.ts'
export { toWireError, type WireError } from './telemetry/wire-error.ts'
export {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkOneOf,
  checkText,
  invalidError,
  MAX_DURATION_MS,
  prefixField,
} from './validate.ts'
