import type { ForwardControl, ForwardHandler, ForwardRequest } from '@sd/client'
import type { ClusterExplanation } from '@sd/core'

/** The part of a service client that a gateway uses. */
export interface GatewayClient {
  /** See `ServiceClient.forward` of `@sd/client`. */
  forward(request: ForwardRequest, handler: ForwardHandler): ForwardControl
  /** See `ServiceClient.fetch` of `@sd/client`; for filters that ask services. @default no filter can */
  fetch?: typeof globalThis.fetch
  /** See `ServiceClient.explain` of `@sd/client`; for `Gateway.explain`. @default endpoints are not explained */
  explain?(service: string): { readonly cluster: ClusterExplanation }
}
