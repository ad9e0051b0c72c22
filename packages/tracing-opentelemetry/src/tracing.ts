import { type Attributes, type Context, context, isSpanContextValid, type Span, SpanKind, trace } from '@opentelemetry/api'
import {
  type AttemptContext,
  type CallContext,
  type Interceptor,
  subscribeTelemetry,
  type TelemetryCall,
  toSdError,
} from '@sd/core'
import { type Ending, endSpan } from './ending.ts'
import { methodAttributes, methodName, redactQuery } from './http.ts'
import { createTraceMiddleware, type TraceMiddleware } from './middleware.ts'
import { type ResolvedTracingOptions, resolveTracingOptions, type TracingOptions } from './options.ts'
import { safely } from './safely.ts'

/** Traces of calls and of served requests. The client needs both interceptors. */
export interface Tracing extends Disposable {
  /** Creates a span per call. Must be the first of the list, so that the others run inside the span. */
  readonly call: Interceptor<CallContext>
  /** Creates a span per attempt, and sends trace context and baggage. */
  readonly attempt: Interceptor<AttemptContext>
  /** Continues the traces of callers in a server: what {@link createTraceMiddleware} returns for the same options. */
  readonly middleware: TraceMiddleware
  /** Stops tracing new calls; spans of calls in progress end normally. Idempotent. */
  close(): void
}

/** A call in progress. */
interface TracedCall {
  readonly span: Span
  /** Context of its attempts, independent of the code that starts them. */
  readonly context: Context
  /** Spans of the attempts, by number minus 1; `undefined` when ended. */
  readonly attempts: (Span | undefined)[]
  isOpen: boolean
}

const headerSetter = {
  set(headers: Record<string, string>, name: string, value: string): void {
    headers[name.toLowerCase()] = value
  },
}

/**
 * Creates tracing for `@sd/client`: an `INTERNAL` span per call, with a `CLIENT` span per attempt inside. Spans end when the body
 * has ended, failed or was aborted.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createTracing(options: TracingOptions = {}): Tracing {
  const resolved = resolveTracingOptions(options)
  const { propagator } = resolved
  const calls = new WeakMap<TelemetryCall, TracedCall>()
  let openCalls = 0
  let isClosed = false

  function endCall(traced: TracedCall, ending: Ending): void {
    if (!traced.isOpen) return
    traced.isOpen = false
    // Ends remaining attempts: an interceptor responded or failed instead of them.
    for (let number = 1; number <= traced.attempts.length; number++) endAttempt(traced, number, { error: ending.error })
    safely(() => traced.span.setAttribute('sd.attempts', traced.attempts.length))
    endSpan(traced.span, ending)
    openCalls--
    unsubscribeIfIdle()
  }

  const subscriptions = subscribeToCalls(calls, endCall)

  /** Writes a context to headers. A `tracestate` forwarded by the caller belongs to its parent and must not be sent with another one. */
  function inject(active: Context, headers: Record<string, string>): void {
    const fields: Record<string, string> = {}
    safely(() => propagator.inject(active, fields, headerSetter))
    if ('traceparent' in fields) delete headers['tracestate']
    Object.assign(headers, fields)
  }

  function unsubscribeIfIdle(): void {
    if (!isClosed || openCalls > 0) return
    for (const unsubscribe of subscriptions.splice(0)) unsubscribe()
  }

  const tracing: Tracing = {
    async call(call, next) {
      if (isClosed) return next()
      const parent = context.active()
      const span = safely(() => startCallSpan(resolved, call, parent))
      // Without an SDK there is no span to end.
      if (!span || !safely(() => isSpanContextValid(span.spanContext()))) return next()
      const traced: TracedCall = { span, context: trace.setSpan(parent, span), attempts: [], isOpen: true }
      calls.set(call, traced)
      openCalls++
      // Attempts have their own headers. These are for code that sees only the call, such as metrics that link to its trace.
      inject(traced.context, call.headers)
      try {
        return await context.with(traced.context, next)
      } catch (error) {
        endCall(traced, failureOf(call, error))
        throw error
      }
    },
    async attempt(attempt, next) {
      const traced = calls.get(attempt.call)
      if (!traced) {
        if (!isClosed) inject(context.active(), attempt.headers)
        return next()
      }
      const span = safely(() => startAttemptSpan(resolved, attempt, traced.context))
      if (!span) {
        inject(traced.context, attempt.headers)
        return next()
      }
      traced.attempts[attempt.attempt - 1] = span
      const active = trace.setSpan(traced.context, span)
      inject(active, attempt.headers)
      try {
        return await context.with(active, next)
      } catch (error) {
        endAttempt(traced, attempt.attempt, failureOf(attempt.call, error))
        throw error
      }
    },
    middleware: createTraceMiddleware(options),
    close() {
      isClosed = true
      unsubscribeIfIdle()
    },
    [Symbol.dispose]: () => tracing.close(),
  }
  return tracing
}

/** Ends spans and adds events to them as the client reports. @returns functions that end the subscriptions */
function subscribeToCalls(
  calls: WeakMap<TelemetryCall, TracedCall>,
  endCall: (traced: TracedCall, ending: Ending) => void,
): (() => void)[] {
  function addEvent(call: TelemetryCall, name: string, attributes: Attributes): void {
    calls.get(call)?.span.addEvent(name, attributes)
  }

  // Only the client knows the end of a body: the promise settles at the headers, and a wrapped body would be a different object.
  return [
    subscribeTelemetry('sd:v1:attempt:end', ({ call, attempts: number, status, error }) => {
      const traced = calls.get(call)
      if (traced) endAttempt(traced, number, { status, error })
    }),
    subscribeTelemetry('sd:v1:call:end', ({ call, status, error }) => {
      const traced = calls.get(call)
      if (traced) endCall(traced, { status, error })
    }),
    subscribeTelemetry('sd:v1:call:retry', ({ call, attempt, delayMs, status, error }) => {
      const type = status === undefined ? error?.code : String(status)
      addEvent(call, 'sd.retry', { 'sd.attempt': attempt, 'sd.delay_ms': delayMs, 'error.type': type })
    }),
    subscribeTelemetry('sd:v1:call:hedge', ({ call, attempt, afterMs }) => {
      addEvent(call, 'sd.hedge', { 'sd.attempt': attempt, 'sd.after_ms': afterMs })
    }),
    subscribeTelemetry('sd:v1:call:refused', ({ call, policy, name }) => {
      addEvent(call, 'sd.refused', { 'sd.policy': policy, 'sd.policy.name': name })
    }),
    subscribeTelemetry('sd:v1:call:fallback', ({ call, error }) => {
      addEvent(call, 'sd.fallback', { 'error.type': error.code })
    }),
  ]
}

// INTERNAL, because the conventions for HTTP clients require one CLIENT span per request on the wire, and none around them.
function startCallSpan({ tracer, attributes }: ResolvedTracingOptions, { method, service }: CallContext, parent: Context): Span {
  return tracer.startSpan(
    `${methodName(method)} ${service}`,
    { kind: SpanKind.INTERNAL, attributes: { ...attributes, ...methodAttributes(method), 'sd.service': service } },
    parent,
  )
}

function startAttemptSpan(
  { tracer, attributes, queryParameters }: ResolvedTracingOptions,
  { call, endpoint, attempt }: AttemptContext,
  parent: Context,
): Span {
  const { method, path, service } = call
  const { id, address, port, locality } = endpoint.instance
  const spanAttributes: Attributes = {
    ...attributes,
    ...methodAttributes(method),
    'server.address': address,
    'server.port': port,
    'url.full': endpoint.origin + redactQuery(path, queryParameters),
    'sd.service': service,
    'sd.instance.id': id,
  }
  if (attempt > 1) spanAttributes['http.request.resend_count'] = attempt - 1
  if (locality?.zone !== undefined) spanAttributes['sd.instance.zone'] = locality.zone
  return tracer.startSpan(methodName(method), { kind: SpanKind.CLIENT, attributes: spanAttributes }, parent)
}

/** The error that the client creates from an exception of an interceptor. */
function failureOf({ service }: CallContext, error: unknown): Ending {
  return { error: toSdError(error, 'SD_UNAVAILABLE', `Calling ${service}`) }
}

function endAttempt(traced: TracedCall, number: number, ending: Ending): void {
  const span = traced.attempts[number - 1]
  if (!span) return
  traced.attempts[number - 1] = undefined
  endSpan(span, ending)
}
