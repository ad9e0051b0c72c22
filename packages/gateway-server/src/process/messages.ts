import type { ListenerAddress } from '@sd/gateway'

/** What a worker sends to the parent. */
export type WorkerMessage =
  | { readonly kind: 'ready'; readonly addresses: readonly ListenerAddress[] }
  | { readonly kind: 'draining' }
  /** The metrics of the worker, as prom-client's `getMetricsAsJSON` returns them. */
  | { readonly kind: 'metrics'; readonly id: number; readonly metrics: readonly object[] }

/** What the parent asks of a worker: its metrics. */
export interface MetricsRequest {
  readonly kind: 'metrics'
  readonly id: number
}
