export type { GatewayClient } from './exchange/gateway-client.ts'
export { errorReply } from './exchange/reply.ts'
export { type BodyOutput, type BodyTransform, type CreateBodyTransform, throughStream } from './filters/body-transform.ts'
export type {
  AffinityOutcome,
  ExchangeOutcome,
  FilterFactory,
  FilterScope,
  GatewayExchange,
  GatewayFilter,
  GatewayReply,
  GatewayResponse,
  MirrorOutcome,
  ReplyStream,
} from './filters/filter.ts'
export { type FilterTarget, readFilterTarget } from './filters/filter-target.ts'
export { RouteRefusal } from './filters/route-refusal.ts'
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts'
export type { DrainableGateway, GatewayWork, ListenerAddress } from './gateway-runtime.ts'
export type { ClientIdentity, ConnectionTls, GatewayConnection } from './listener/connection.ts'
export { readTrustedNetworks as readNetworks, type TrustedNetworks as Networks } from './listener/trusted-networks.ts'
export type {
  BodyReader,
  CallProtocol,
  ConvertedRequest,
  GatewayCall,
  GatewayProtocol,
  ReplyCause,
  RequestConverter,
  UpgradedConnection,
  UpgradeProtocol,
} from './protocol.ts'
export {
  type ExplainedEndpoint,
  type ExplainedService,
  type ExplainedTarget,
  type ExplainService,
  explainTable,
  type OtherRoute,
  type RouteExplanation,
  type RouteProbe,
} from './routing/explain.ts'
export { createConnectionFront, type ServedConnection } from './streams/connection-front.ts'
export type {
  ConnectionProtocol,
  DatagramContext,
  DatagramFront,
  DatagramProtocol,
  DatagramSource,
  GatewayFront,
  GatewayStream,
  ProtocolContext,
  StreamEnd,
  StreamHandler,
  StreamRequest,
  StreamRoute,
} from './streams/stream-protocol.ts'
export type { TableNames } from './table/check-references.ts'
export type { GatewayChange, TableChange } from './table/compare-tables.ts'
export { checkTable, type TableReport, type TableWarning } from './table/resolve-table.ts'
export type {
  AffinitySpec,
  DirectResponse,
  FieldMatch,
  FilterSpec,
  ForwardTarget,
  GatewayTable,
  HeaderRules,
  HttpProtocol,
  InstanceSelector,
  ListenerCertificate,
  ListenerLimits,
  ListenerSpec,
  ListenerTimeouts,
  ListenerTls,
  MinBodyRate,
  MirrorSpec,
  RedirectSpec,
  RewriteSpec,
  RouteLimits,
  RouteMatch,
  RouteRateLimit,
  RouteSpec,
  RouteTimeouts,
} from './table/table.ts'
