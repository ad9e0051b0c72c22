export { callOperation, followOperation, type OperationEvent } from './call-operation.ts'
export { createFakeClient, type FakeCall, type FakeClient, type FakeHandlers } from './fake.ts'
export { type GeneratedClient, type GenerateOptions, generateServiceClient } from './openapi/generate.ts'
export {
  type EventsOperation,
  type EventsOptions,
  events,
  type Operation,
  type OperationOptions,
  operation,
  type ResponseKind,
} from './operation.ts'
export type { Route, RouteValues } from './route.ts'
export {
  type CallOptions,
  defineServiceClient,
  type OperationMethod,
  type Operations,
  type ResponseOf,
  type ServiceClientDefinition,
  type TypedClient,
} from './service-client.ts'
