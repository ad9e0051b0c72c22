import {
  deadlineOrigin,
  type Endpoint,
  hasTelemetrySubscribers,
  type OutcomeOrigin,
  type PickRequest,
  publishTelemetry,
  type TelemetryCall,
} from '@sd/core'
import { type CallOutcome, toOutcome } from './status.ts'
import { statusCodes } from './status-codes.ts'

/** Input of a {@link GrpcCall}. */
export interface GrpcCallInit extends Pick<GrpcCall, 'service' | 'path' | 'hashKey'> {
  /** The service's time limit, in milliseconds; 0 for none. */
  readonly ownLimitMs: number
}

/** One logical call, from the selection of its config until its status, with all attempts that grpc-js makes for it. */
export class GrpcCall implements TelemetryCall, PickRequest {
  readonly service: string
  readonly method = 'POST'
  readonly path: string
  readonly hashKey: string | undefined
  readonly startedAt: number = performance.now()
  /** Endpoints that this call has tried. */
  readonly attempted: Endpoint[] = []
  /** Whether it has its status. grpc-js may still pick for a call that was cancelled at once. */
  isOver = false
  /** Arrival of the head of the response, by `performance.now()`. */
  headersAt: number | undefined
  /** Number of attempts that were started. */
  attempts = 0
  /** The most recently started attempt. */
  lastAttempt: GrpcAttempt | undefined
  readonly #open = new Set<GrpcAttempt>()

  readonly #ownLimitMs: number

  constructor({ service, path, hashKey, ownLimitMs }: GrpcCallInit) {
    this.service = service
    this.path = path
    this.hashKey = hashKey
    this.#ownLimitMs = ownLimitMs
    if (hasTelemetrySubscribers('sd:v1:call:start')) publishTelemetry('sd:v1:call:start', { call: this })
  }

  /** Begins an attempt on an endpoint, which counts as active from the pick. */
  begin(endpoint: Endpoint): GrpcAttempt {
    const attempt = new GrpcAttempt(this, endpoint, () => this.#open.delete(attempt))
    this.#open.add(attempt)
    return attempt
  }

  /** The head of the response arrived. */
  receiveHeaders(): void {
    this.headersAt = performance.now()
  }

  /** Origin of a deadline that is exceeded now. @param since start of the endpoint's time, by `performance.now()` */
  judgeDeadline({ usualMs }: Endpoint, since: number): OutcomeOrigin {
    return deadlineOrigin({ elapsedMs: performance.now() - since, usualMs, ownLimitMs: this.#ownLimitMs })
  }

  /** The call has its status. */
  end(code: number, details: string): void {
    this.isOver = true
    for (const attempt of this.#open) attempt.end(attempt.number === 0 ? statusCodes.cancelled : code, details)
    if (!hasTelemetrySubscribers('sd:v1:call:end')) return
    const deadlineBy = this.lastAttempt && this.judgeDeadline(this.lastAttempt.endpoint, this.startedAt)
    const { status, error } = toOutcome(this.service, code, details, { deadlineBy })
    const durationMs = performance.now() - this.startedAt
    const grpcStatus = error ? undefined : code
    publishTelemetry('sd:v1:call:end', { call: this, status, grpcStatus, error, durationMs, attempts: this.attempts })
  }
}

/** One attempt of a call on one endpoint. */
export class GrpcAttempt {
  readonly endpoint: Endpoint
  /** Number of the attempt, from 1; 0 before its start, because grpc-js does not always send a picked call. */
  number = 0
  startedAt = 0
  endedAt: number | undefined
  outcome: CallOutcome | undefined
  readonly #call: GrpcCall
  readonly #onEnd: () => void

  constructor(call: GrpcCall, endpoint: Endpoint, onEnd: () => void) {
    this.#call = call
    this.endpoint = endpoint
    this.#onEnd = onEnd
    endpoint.acquire()
  }

  /** The request is being sent. */
  start(): void {
    const call = this.#call
    this.startedAt = performance.now()
    if (call.lastAttempt) publishFurtherAttempt(call, call.lastAttempt, this.startedAt)
    this.number = ++call.attempts
    call.lastAttempt = this
    call.attempted.push(this.endpoint)
  }

  /** The attempt has ended. Later calls have no effect. @param pushback the retry delay that the trailers request */
  end(code: number, details: string, pushback?: string): void {
    if (this.outcome) return
    const { endpoint, startedAt, number: attempts } = this
    const call = this.#call
    this.endedAt = performance.now()
    const latencyMs = code === 0 && call.headersAt !== undefined ? call.headersAt - startedAt : undefined
    const deadlineBy = call.judgeDeadline(endpoint, startedAt)
    this.outcome = toOutcome(call.service, code, details, { latencyMs, deadlineBy, pushback })
    endpoint.release(this.outcome)
    this.#onEnd()
    if (attempts === 0 || !hasTelemetrySubscribers('sd:v1:attempt:end')) return
    const { status, error } = this.outcome
    const durationMs = this.endedAt - startedAt
    const { origin } = endpoint
    const instanceId = endpoint.instance.id
    const grpcStatus = error ? undefined : code
    publishTelemetry('sd:v1:attempt:end', {
      call,
      status,
      grpcStatus,
      error,
      durationMs,
      attempts,
      instanceId,
      origin,
      latencyMs,
    })
  }
}

/** grpc-js decides on retries and hedges by the service config; this package only observes them. */
function publishFurtherAttempt(call: GrpcCall, before: GrpcAttempt, now: number): void {
  if (before.outcome && before.endedAt !== undefined) {
    const { status, error } = before.outcome
    publishTelemetry('sd:v1:call:retry', { call, attempt: before.number, delayMs: now - before.endedAt, status, error })
  } else {
    publishTelemetry('sd:v1:call:hedge', { call, attempt: before.number + 1, afterMs: now - before.startedAt })
  }
}
