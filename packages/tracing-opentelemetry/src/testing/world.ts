import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { type ReadableSpan, type SpanProcessor, TracerProvider, type TracerProviderOptions } from '@opentelemetry/sdk-trace'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient, type ServiceClientOptions } from '@sd/client'
import type { InstanceSpec } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { eventually } from '@sd/testing'
import { createTraceMiddleware, createTracing, type Tracing, type TracingOptions } from '../index.ts'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

/** Handler of a test server; it can call the other services. */
export type Handler = (request: IncomingMessage, response: ServerResponse, client: ServiceClient) => unknown

/** Settings that a test can change. */
export interface WorldOptions {
  readonly tracing?: TracingOptions
  readonly provider?: TracerProviderOptions
  readonly client?: Partial<ServiceClientOptions>
  readonly instance?: Partial<InstanceSpec>
}

/** Traced services on real servers, and a traced client for them. */
export interface World extends AsyncDisposable {
  readonly client: ServiceClient
  readonly tracing: Tracing
  readonly recorder: SpanRecorder
}

/** Spans of one test. */
export interface SpanRecorder extends SpanProcessor {
  /** Spans that have not ended. */
  readonly open: ReadonlySet<ReadableSpan>
  /** Spans that have ended, oldest first. */
  readonly ended: readonly ReadableSpan[]
  /** Waits until no span is open. @returns all spans, in the order of their ends */
  settled(): Promise<readonly ReadableSpan[]>
}

/** Records spans. */
export function createSpanRecorder(): SpanRecorder {
  const open = new Set<ReadableSpan>()
  const ended: ReadableSpan[] = []
  return {
    open,
    ended,
    onStart: (span) => open.add(span),
    onEnd(span) {
      open.delete(span)
      ended.push(span)
    },
    async settled() {
      await eventually(() => {
        if (open.size > 0) throw new Error(`${[...open].map(({ name }) => name).join(', ')}: still open`)
      }, 10_000)
      return ended
    },
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  }
}

/** W3C trace context and baggage. */
export const w3c: CompositePropagator = new CompositePropagator({
  propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
})

/** Starts one server per handler. */
export async function createWorld(services: Record<string, readonly Handler[]>, options: WorldOptions = {}): Promise<World> {
  const recorder = createSpanRecorder()
  const { spanProcessors = [], ...provider } = options.provider ?? {}
  const tracerProvider = new TracerProvider({ ...provider, spanProcessors: [recorder, ...spanProcessors] })
  const tracingOptions: TracingOptions = { tracerProvider, propagator: w3c, ...options.tracing }
  const tracing = createTracing(tracingOptions)
  const middleware = createTraceMiddleware(tracingOptions)
  const servers: Server[] = []
  const instances: InstanceSpec[] = []
  for (const [service, handlers] of Object.entries(services)) {
    for (const handler of handlers) {
      const server = createServer((request, response) => {
        middleware(request, response, () => handler(request, response, client))
      })
      servers.push(server)
      instances.push({ service, address: '127.0.0.1', port: await listen(server), ...options.instance })
    }
  }
  const discovery = createDiscovery({ source: createStaticRegistry({ instances }) })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer({ random: () => 0 }),
    closeTimeoutMs: 200,
    interceptors: { call: [tracing.call], attempt: [tracing.attempt] },
    ...options.client,
  })
  return {
    client,
    tracing,
    recorder,
    async [Symbol.asyncDispose]() {
      await client.close()
      await discovery.close()
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
      tracing.close()
    },
  }
}

/** Listens on a free loopback port. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
