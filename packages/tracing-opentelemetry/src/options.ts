import { type Attributes, propagation, type TextMapPropagator, type Tracer, type TracerProvider, trace } from '@opentelemetry/api'
import { checkFunction, checkKnownKeys, checkObject, checkText, invalidError } from '@sd/core'

/** Options of `createTracing` and `createTraceMiddleware`. */
export interface TracingOptions {
  /** Provider of the spans. @default the provider registered with `@opentelemetry/api`, now or later */
  readonly tracerProvider?: TracerProvider
  /** Writes and reads the headers of trace context and baggage. @default the propagator registered with `@opentelemetry/api` */
  readonly propagator?: TextMapPropagator
  /** Attributes of every span. @default {} */
  readonly attributes?: Attributes
  /** Names of query parameters, as in the URL, whose values appear in traces; all others are `REDACTED`. @default [] */
  readonly queryParameters?: readonly string[]
}

/** Options with their defaults filled in. */
export interface ResolvedTracingOptions {
  /** Creates the spans. */
  readonly tracer: Tracer
  /** See {@link TracingOptions.propagator}. */
  readonly propagator: Pick<TextMapPropagator, 'inject' | 'extract'>
  /** See {@link TracingOptions.attributes}. */
  readonly attributes: Attributes
  /** See {@link TracingOptions.queryParameters}. */
  readonly queryParameters: ReadonlySet<string>
}

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveTracingOptions(options: TracingOptions): ResolvedTracingOptions {
  checkKnownKeys('', checkObject('options', options), ['tracerProvider', 'propagator', 'attributes', 'queryParameters'])
  const { tracerProvider = trace, propagator = propagation, attributes = {}, queryParameters = [] } = options
  checkFunction('tracerProvider.getTracer', tracerProvider.getTracer)
  checkFunction('propagator.inject', propagator.inject)
  checkFunction('propagator.extract', propagator.extract)
  checkObject('attributes', attributes)
  if (!Array.isArray(queryParameters)) throw invalidError('queryParameters', queryParameters, 'an array of names')
  for (const [index, name] of queryParameters.entries()) checkText(`queryParameters[${index}]`, name, 255)
  return {
    tracer: tracerProvider.getTracer('@sd/tracing-opentelemetry'),
    propagator,
    attributes,
    queryParameters: new Set(queryParameters),
  }
}
