import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, ExportResultCode, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createServiceClient, resilient, type ServiceClientOptions } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMetrics } from '@sd/metrics-prometheus'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createRetryPolicy } from '@sd/retry'
import { createTracing } from '@sd/tracing-opentelemetry'
import type { Send } from './caller.ts'

/** Creates our client with discovery and a balancer. */
export async function createClient(ports: readonly number[], options: Partial<ServiceClientOptions> = {}): Promise<Send> {
  const registry = createMemoryRegistry()
  await Promise.all(ports.map((port) => registry.register({ service: 'orders', address: '127.0.0.1', port })))
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), timeoutMs: 5_000, ...options })
  return async () => (await client.get('orders', '/orders/1')).text()
}

/** Adds a breaker for the service, one for each instance, and retries. */
export function createResilientClient(
  ports: readonly number[],
  options: Pick<ServiceClientOptions, 'interceptors'> = {},
): Promise<Send> {
  return createClient(ports, { ...resilient({ breaker: createCockatielBreaker, retry: createRetryPolicy }), ...options })
}

/** Adds metrics without a scraper, and tracing. @param sampled share of traces that are recorded, batched and dropped */
export function createVisibleClient(
  ports: readonly number[],
  { sampled, metrics }: { readonly sampled?: number; readonly metrics?: boolean },
): Promise<Send> {
  if (metrics) createMetrics()
  return createResilientClient(ports, sampled === undefined ? {} : { interceptors: createInterceptors(sampled) })
}

function createInterceptors(sampled: number): NonNullable<ServiceClientOptions['interceptors']> {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const nowhere: SpanExporter = {
    export: (_, done) => done({ code: ExportResultCode.SUCCESS }),
    shutdown: async () => undefined,
  }
  const { call, attempt } = createTracing({
    tracerProvider: new TracerProvider({
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampled) }),
      spanProcessors: [new BatchSpanProcessor({ exporter: nowhere })],
    }),
    propagator: new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  })
  return { call: [call], attempt: [attempt] }
}
