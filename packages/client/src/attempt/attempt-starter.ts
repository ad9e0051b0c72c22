import { type CallPickRequest, type Endpoint, isIdempotent, type Permit, SdError } from '@sd/core'
import type { CallFrame } from '../call/call-frame.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import { isCrowded, needsUnitRequest, requestInstanceUnit, takeInstanceUnit } from './instance-admission.ts'
import { explainNoInstance } from './no-instance.ts'

/** Does not count against an endpoint. */
const overRate = new SdError('SD_REJECTED', 'All available instances are over their rate limit')

/** Options for starting an attempt. */
export interface StartOptions {
  /** Whether endpoints may be tried again once all were tried. */
  readonly maySeeAgain: boolean
  /** Whether this attempt runs beside another one that is in progress or has just failed. @default false */
  readonly isHedge?: boolean | undefined
}

/** Picks the endpoints of one round, and starts an attempt on each. Pickers see it as the call. */
export class AttemptStarter implements CallPickRequest {
  /** Endpoints that were tried or rejected. */
  attempted: Endpoint[] | undefined
  isProbe = false
  readonly #owner: AttemptOwner
  readonly #call: CallFrame
  readonly #entry: ServiceEntry
  #isOverRate = false
  /** The first endpoint that was not picked only because of its breaker, or because it is crowded. */
  #refused: Endpoint | undefined

  constructor(owner: AttemptOwner) {
    const { call } = owner
    this.#owner = owner
    this.#call = call
    this.#entry = call.entry
  }

  get service(): string {
    return this.#call.service
  }

  get method(): string {
    return this.#call.method
  }

  get hashKey(): string | undefined {
    return this.#call.init.hashKey
  }

  get path(): string {
    return this.#call.path
  }

  get headers(): Record<string, string> {
    return this.#call.headers
  }

  /** Whether the request may be sent again: a probe of an endpoint should use such a request. */
  get repeatable(): boolean {
    return isIdempotent(this.#call) && this.#call.request.replayable
  }

  /** Whether a backend must be queried before an attempt begins, so that {@link AttemptStarter.startAllowed} starts it. */
  get mustRequestUnit(): boolean {
    return needsUnitRequest(this.#entry)
  }

  /**
   * Starts an attempt on an untried endpoint, or else on one that was rejected; after a delay, once all were tried, on
   * any endpoint.
   */
  start({ maySeeAgain, isHedge = false }: StartOptions): Attempt | undefined {
    const found = this.#pick() ?? (isHedge ? undefined : this.#force())
    if (found || !maySeeAgain) return found
    this.attempted = undefined
    return this.#pick()
  }

  /**
   * As {@link AttemptStarter.start}, but first queries the backend of the rate limit. @throws SdError the error of that
   * query
   */
  async startAllowed({ maySeeAgain, isHedge }: StartOptions, signal: AbortSignal): Promise<Attempt | undefined> {
    for (let isFirst = true; ; isFirst = false) {
      const attempt = this.start({ maySeeAgain: maySeeAgain && isFirst, isHedge })
      if (!attempt || (await requestInstanceUnit(this.#entry, this.#call, attempt.endpoint, signal))) return attempt
      attempt.stop(overRate)
      this.#call.attempts--
      this.skip(attempt.endpoint)
      this.#noteOverRate(attempt.endpoint)
    }
  }

  /** Excludes an endpoint, unless all were tried. */
  skip(endpoint: Endpoint): void {
    this.attempted ??= []
    this.attempted.push(endpoint)
  }

  /** Whether an endpoint other than this one, and those that were tried, can be picked now. */
  hasOther(endpoint: Endpoint): boolean {
    const attempted = [...(this.attempted ?? []), endpoint]
    const { service, method, hashKey, path, headers } = this
    const request = { service, method, hashKey, path, headers, attempted, isProbe: true } satisfies CallPickRequest
    return this.#entry.attached.pick(request) !== undefined
  }

  /** Whether any endpoint can be picked now. */
  hasAny(): boolean {
    this.isProbe = true
    const found = this.#entry.attached.pick(this)
    this.isProbe = false
    return found !== undefined
  }

  /** The error for a pick without an endpoint. */
  explainNone(): SdError {
    return this.#isOverRate ? overRate : explainNoInstance(this.#entry.cluster)
  }

  #pick(): Attempt | undefined {
    this.#refused = undefined
    const { attached, policies } = this.#entry
    const { instanceBreakers } = policies
    for (;;) {
      const endpoint = this.#preferred() ?? attached.pick(this)
      if (!endpoint) return undefined
      if (this.#call.forward?.filter(endpoint.instance) === false) {
        this.skip(endpoint)
        continue
      }
      if (isCrowded(this.#entry, endpoint)) {
        this.#refused ??= endpoint
        this.skip(endpoint)
        continue
      }
      const permit = instanceBreakers?.tryAcquire(endpoint)
      if (instanceBreakers && !permit) {
        this.#refused ??= endpoint
        this.#owner.noteRefusal('instance-breaker', instanceBreakers.of(endpoint).name, endpoint)
      } else if (this.#takeUnit(endpoint, permit)) return this.#begin(endpoint, permit)
      this.skip(endpoint)
    }
  }

  /** The endpoint that the request prefers, for its first attempt. */
  #preferred(): Endpoint | undefined {
    const { forward } = this.#call
    if (!forward || this.#call.attempts > 0 || this.attempted) return undefined
    return forward.preferred(this.#entry.cluster.view)
  }

  /**
   * Policies that admit a limited number must not leave an attempt without an instance: breakers with their trials, and
   * one endpoint's share of the places. The attempt has been paid for, but a hedge is optional.
   */
  #force(): Attempt | undefined {
    const endpoint = this.#refused
    if (!endpoint) return undefined
    const permit = this.#entry.policies.instanceBreakers?.force(endpoint)
    return this.#takeUnit(endpoint, permit) ? this.#begin(endpoint, permit) : undefined
  }

  /** Takes a unit of an endpoint's rate limit. */
  #takeUnit(endpoint: Endpoint, permit: Permit | undefined): boolean {
    const { instanceRateLimit } = this.#entry.policies
    if (!instanceRateLimit || takeInstanceUnit(this.#entry, this.#call, endpoint)) return true
    permit?.settle({ ok: true, error: overRate })
    this.#noteOverRate(endpoint)
    return false
  }

  #noteOverRate(endpoint: Endpoint): void {
    this.#isOverRate = true
    this.#owner.noteRefusal('rate-limit', this.#entry.policies.instanceRateLimit?.limiter.name ?? '', endpoint)
  }

  #begin(endpoint: Endpoint, permit: Permit | undefined): Attempt {
    const call = this.#call
    call.init.recorder?.note('picked', { attempt: call.attempts + 1, endpoint })
    return new Attempt(this.#owner, endpoint, {
      attempt: ++call.attempts,
      breakers: this.#entry.policies.instanceBreakers,
      permit,
    })
  }
}
