import { invalidError, type TelemetryCall, type TelemetryEvents } from '@sd/core'

/** Labels of an exemplar, which leads from a measured value to the trace of one call. */
export type ExemplarLabels = Readonly<Record<string, string>>

/** Finds the exemplar of a call or an attempt that ended; `undefined` for none. On the request path: it must be quick. */
export type ExemplarSource = (event: TelemetryEvents['sd:v1:call:end']) => ExemplarLabels | undefined

const traceParent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/
// OpenMetrics: names and values of an exemplar together have at most 128 characters.
const longestExemplar = 128

/**
 * The ids in the `traceparent` header of the call (W3C Trace Context), if the trace is sampled: others can't be looked up. From the call
 * and never from AsyncLocalStorage, which belongs to another request when an event is published.
 */
export function readTraceParent({ call }: TelemetryEvents['sd:v1:call:end']): ExemplarLabels | undefined {
  const { headers } = call as TelemetryCall & { readonly headers?: Readonly<Record<string, string>> }
  const header = headers?.['traceparent']
  // Most traces are not sampled: the last bit of the flags tells so without a look at the rest.
  if (header === undefined || (Number.parseInt(header.slice(53, 55), 16) & 1) === 0) return undefined
  const [, traceId, spanId] = traceParent.exec(header) ?? []
  return traceId && spanId ? { trace_id: traceId, span_id: spanId } : undefined
}

/** Checks what a source finds: a bad exemplar would spoil the whole page. What it throws goes to `onError`, and there is no exemplar. */
export function guardExemplars(source: ExemplarSource, onError: (error: unknown) => void): ExemplarSource {
  return (event) => {
    try {
      const labels = source(event)
      return labels && checkExemplar(labels)
    } catch (error) {
      onError(error)
      return undefined
    }
  }
}

/** @returns a copy: what an exemplar says now is written with every reading until the next one */
function checkExemplar(labels: ExemplarLabels): ExemplarLabels {
  const copied = { ...labels }
  let length = 0
  for (const [name, value] of Object.entries(copied)) {
    if (!labelName.test(name) || typeof value !== 'string') throw invalidError(`exemplar.${name}`, value, 'a label with a string')
    length += name.length + value.length
  }
  if (length > longestExemplar) throw invalidError('exemplar', length, `at most ${longestExemplar} characters`)
  return copied
}
