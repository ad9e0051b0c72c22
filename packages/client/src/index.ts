// First, so that a Node that is too old is told so by core before undici fails on it.
import '@sd/core'

export type { AttemptLimit, AttemptLimitRequest } from './attempt-limit.ts'
export type { DiscoveryDocumentSettings, DiscoveryServiceSettings, SubsetDocument } from './discovery-document.ts'
export type { EventOptions, ServerSentEvent } from './event-stream.ts'
export {
  type CallExplanation,
  type CallStep,
  type CallStepKind,
  formatExplanation,
} from './explanation.ts'
export type { CallFailure, CallFallback, StaticResponse } from './fallback-setting.ts'
export { createFetchTransport, type FetchTransportOptions } from './fetch-transport.ts'
export type { ForwardControl, ForwardHandler, ForwardRequest } from './forward.ts'
export type { ResponseHead } from './forward-parts.ts'
export type { Http2TransportOptions } from './http2-options.ts'
export { createHttp2Transport } from './http2-transport.ts'
export { createMeasuredLimit, type MeasuredLimitOptions } from './measured-limit.ts'
export type { ServiceClientOptions } from './options.ts'
export type { CallRateLimit } from './rate-limit-setting.ts'
export type { MethodRequestOptions, RequestOptions, ServiceCall } from './request-options.ts'
export { type ResilientParts, resilient } from './resilient.ts'
export { createServiceClient, type ServiceClient } from './service-client.ts'
export type { ServiceExplanation } from './service-entry.ts'
export { serviceOrigin } from './service-origin.ts'
export { ServiceResponse, type ServiceResponseInit } from './service-response.ts'
export type { ClientSettings, InstanceScope, OperationSettings, PolicyScope, ServiceSettings } from './settings.ts'
export { createSettingsReader, type DocumentSettings, type SettingsReader } from './settings-document.ts'
export type { MadeOf, SettingsParts } from './settings-parts.ts'
export type { ClientTlsOptions } from './tls-options.ts'
export type { Transport, TransportBody, TransportExchange, TransportHandler, TransportRequest } from './transport.ts'
export { createUndiciTransport, type UndiciTransport, type UndiciTransportOptions } from './undici-transport.ts'
export { createUpgradeConnection } from './upgrade-connection.ts'
