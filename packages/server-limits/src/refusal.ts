import { type RateLimitDecision, rateLimitHeaders, SdError, type SdErrorCode, type ServerRefusalReason } from '@sd/core'
import type { Refusal } from './admission.ts'

interface Kind {
  readonly status: Refusal['status']
  readonly code: SdErrorCode
  readonly title: string
  readonly detail: string
}

const kinds: Readonly<Record<ServerRefusalReason, Kind>> = {
  'rate-limit': {
    status: 429,
    code: 'SD_REJECTED',
    title: 'Too Many Requests',
    detail: 'This caller is over its rate limit.',
  },
  'concurrency-limit': {
    status: 503,
    code: 'SD_REJECTED',
    title: 'Service Unavailable',
    detail: 'The server is at its limit of requests under way.',
  },
  streams: {
    status: 503,
    code: 'SD_REJECTED',
    title: 'Service Unavailable',
    detail: 'The server is at its limit of open streams.',
  },
  deadline: {
    status: 504,
    code: 'SD_DEADLINE_EXCEEDED',
    title: 'Gateway Timeout',
    detail: 'The deadline of the caller was over before the request was begun.',
  },
  body: {
    status: 408,
    code: 'SD_TIMEOUT',
    title: 'Request Timeout',
    detail: 'No more of the body came in time.',
  },
}

/** What is known of a refusal. */
export interface RefusalInit {
  /** Name of the limits, for the error. */
  readonly name: string
  /** What refused it. */
  readonly reason: ServerRefusalReason
  /** When to come again, in milliseconds; for `rate-limit` the decision says it. */
  readonly retryAfterMs?: number
  /** What the rate limiter decided, if there is one. */
  readonly decision?: RateLimitDecision | undefined
  /** Name of the policy in the RateLimit fields. */
  readonly policy?: string
}

/** Makes the answer to a refused request. */
export function createRefusal({ name, reason, retryAfterMs, decision, policy }: RefusalInit): Refusal {
  const { status, code, title, detail } = kinds[reason]
  const waitMs = reason === 'rate-limit' ? decision?.retryAfterMs : retryAfterMs
  const body = JSON.stringify({ type: 'about:blank', title, status, detail, code })
  return {
    status,
    reason,
    body,
    headers: {
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      ...(decision && rateLimitHeaders(decision, policy)),
      ...(waitMs !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) }),
    },
    // Made when it is asked for: its stack is what costs most of a refusal.
    get error() {
      return new SdError(code, `${name}: ${detail}`, { retryAfterMs: waitMs })
    },
  }
}
