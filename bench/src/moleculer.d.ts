// The part of moleculer that the benchmark uses. Its own types don't compile, because they need types of packages that are not installed.
export interface BrokerOptions {
  readonly nodeID: string
  readonly logger: false
  readonly requestTimeout: number
  readonly circuitBreaker: { readonly enabled: boolean; readonly minRequestCount: number }
  readonly retryPolicy: { readonly enabled: boolean; readonly retries: number }
  readonly transporter?: { readonly type: 'TCP'; readonly options: Readonly<Record<string, unknown>> }
}
export interface ServiceSchema {
  readonly name: string
  readonly actions: Readonly<Record<string, () => unknown>>
}
export class ServiceBroker {
  constructor(options: BrokerOptions)
  createService(schema: ServiceSchema): void
  start(): Promise<void>
  waitForServices(service: string, timeoutMs: number): Promise<unknown>
  call<T>(action: string, parameters: object): Promise<T>
  getLocalNodeInfo(): { readonly port: number }
}
