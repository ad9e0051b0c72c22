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
    detail: 'The caller has exceeded its rate limit.',
  },
  'concurrency-limit': {
    status: 503,
    code: 'SD_REJECTED',
    title: 'Service Unavailable',
    detail: 'The server has reached its limit of concurrent requests.',
  },
  streams: {
    status: 503,
    code: 'SD_REJECTED',
    title: 'Service Unavailable',
    detail: 'The server has reached its limit of open streams.',
  },
  deadline: {
    status: 504,
    code: 'SD_DEADLINE_EXCEEDED',
    title: 'Gateway Timeout',
    detail: 'The deadline of the caller passed before the request started.',
  },
  body: {
    status: 408,
    code: 'SD_TIMEOUT',
    title: 'Request Timeout',
    detail: 'The rest of the request body did not arrive in time.',
  },
}

/** Parts of a refusal. */
export interface RefusalInit {
  /** Name of the limits, for the error. */
  readonly name: string
  /** The limit that refused the request. */
  readonly reason: ServerRefusalReason
  /** Delay before another attempt, in milliseconds. For `rate-limit` it comes from the decision. */
  readonly retryAfterMs?: number
  /** Decision of the rate limiter, if there is one. */
  readonly decision?: RateLimitDecision | undefined
  /** Name of the policy in the RateLimit fields. */
  readonly policy?: string
}

/** Creates the response to a refused request. */
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
    // Created on demand: the stack trace is the most expensive part of a refusal.
    get error() {
      return new SdError(code, `${name}: ${detail}`, { retryAfterMs: waitMs })
    },
  }
}
