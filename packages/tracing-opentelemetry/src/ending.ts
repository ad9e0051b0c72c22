import { type Span, SpanStatusCode } from '@opentelemetry/api'
import type { SdError } from '@sd/core'
import { safely } from './safely.ts'

/** Outcome of a call or attempt. */
export interface Ending {
  /** Status of the response, if any. */
  readonly status?: number | undefined
  /** The error, if it failed. */
  readonly error?: SdError | undefined
}

/**
 * Ends the span of a client. By the conventions for HTTP clients, 4xx and 5xx are errors and an abort by the caller is not; the
 * attribute `sd.aborted` marks it.
 */
export function endSpan(span: Span, { status, error }: Ending): void {
  safely(() => {
    if (status !== undefined) span.setAttribute('http.response.status_code', status)
    if (status !== undefined && status >= 400) failSpan(span, String(status))
    else if (error?.code === 'SD_ABORTED') span.setAttribute('sd.aborted', true)
    else if (error) failSpan(span, error.code, error.message)
  })
  safely(() => span.end())
}

/** Marks a span as failed. An HTTP status needs no message. */
export function failSpan(span: Span, type: string, message?: string): void {
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) })
}
