import { invalidError, type TelemetryCall, type TelemetryEvents } from '@sd/core'

/** Labels of an exemplar, which links a measured value to the trace of one call. */
export type ExemplarLabels = Readonly<Record<string, string>>

/** Returns the exemplar of a completed call or attempt, or `undefined`. Runs on the request path, so it must be fast. */
export type ExemplarSource = (event: TelemetryEvents['sd:v1:call:end']) => ExemplarLabels | undefined

/** What calls of the client have beside the fields of telemetry. */
interface CallFields {
  readonly headers?: Readonly<Record<string, string>>
  header?(name: string): string | undefined
}

const traceParent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/
// OpenMetrics: names and values of an exemplar together have at most 128 characters.
const longestExemplar = 128

/**
 * Reads the ids in the `traceparent` header of the call (W3C Trace Context), if the trace is sampled: others are not stored.
 * Does not use AsyncLocalStorage, because events are published in the context of another request.
 */
export function readTraceParent({ call }: TelemetryEvents['sd:v1:call:end']): ExemplarLabels | undefined {
  const fields: TelemetryCall & CallFields = call
  // Of a forwarded call `headers` would make a record.
  const header = fields.header ? fields.header('traceparent') : fields.headers?.['traceparent']
  // Most traces are not sampled. The last bit of the flags shows this without parsing the rest.
  if (header === undefined || (Number.parseInt(header.slice(53, 55), 16) & 1) === 0) return undefined
  const [, traceId, spanId] = traceParent.exec(header) ?? []
  return traceId && spanId ? { trace_id: traceId, span_id: spanId } : undefined
}

/** Validates exemplars: a bad one would break the whole page. Exceptions go to `onError`, and the observation has no exemplar. */
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

/** @returns a copy, because the exemplar is written with every reading until the next one */
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
