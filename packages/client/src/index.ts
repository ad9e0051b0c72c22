// First, so that on an old Node core reports the version before undici fails.
import '@sd/core'

export type { AttemptLimit, AttemptLimitRequest } from './attempt/attempt-limit.ts'
export { createMeasuredLimit, type MeasuredLimitOptions } from './attempt/measured-limit.ts'
export {
  type CallExplanation,
  type CallStep,
  type CallStepKind,
  formatExplanation,
} from './call/explanation.ts'
export type { MethodRequestOptions, RequestOptions, ServiceCall } from './call/request-options.ts'
export { serviceOfOrigin, serviceOrigin } from './dispatcher/service-origin.ts'
export type { EventOptions, ServerSentEvent } from './fetch/event-stream.ts'
export type { ForwardControl, ForwardHandler, ForwardRequest } from './forward/forward.ts'
export type { ResponseHead } from './forward/forward-parts.ts'
export { createUpgradeConnection } from './forward/upgrade-connection.ts'
export type { Http1TransportOptions } from './http1/http1-options.ts'
export { createHttp1Transport } from './http1/http1-transport.ts'
export type { Http2TransportOptions } from './http2/http2-options.ts'
export { createHttp2Transport } from './http2/http2-transport.ts'
export { ServiceResponse, type ServiceResponseInit } from './message/service-response.ts'
export type { CallFailure, CallFallback, StaticResponse } from './policies/fallback-setting.ts'
export type { CallRateLimit } from './policies/rate-limit-setting.ts'
export { createServiceClient, type ServiceClient } from './service-client.ts'
export { type OperationPattern, readOperation } from './services/operation-matcher.ts'
export type { ServiceExplanation } from './services/service-entry.ts'
export type { DiscoveryDocumentSettings, DiscoveryServiceSettings, SubsetDocument } from './settings/discovery-document.ts'
export type { ServiceClientOptions } from './settings/options.ts'
export { type ResilientParts, resilient } from './settings/resilient.ts'
export type { ClientSettings, InstanceScope, OperationSettings, PolicyScope, ServiceSettings } from './settings/settings.ts'
export { createSettingsReader, type DocumentSettings, type SettingsReader } from './settings/settings-document.ts'
export type { PartFactory, SettingsParts } from './settings/settings-parts.ts'
export { createFetchTransport, type FetchTransportOptions } from './transport/fetch-transport.ts'
export type { ClientTlsOptions } from './transport/tls-options.ts'
export type { Transport, TransportBody, TransportExchange, TransportHandler, TransportRequest } from './transport/transport.ts'
export { createUndiciTransport, type UndiciTransport, type UndiciTransportOptions } from './transport/undici-transport.ts'
