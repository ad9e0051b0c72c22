import type { Endpoint } from '@sd/core'
import type { AffinityOutcome, GatewayExchange } from '../filters/filter.ts'
import type { CompiledTarget, TargetSession } from '../routing/compiled-target.ts'
import type { AffinitySpec } from '../table/table.ts'
import { type AffinityClaim, type AffinityKey, openCookie } from './affinity-keys.ts'
import { takeCookie } from './cookie-field.ts'

/** A target of a route, as cookies name it. */
export interface AffinityTarget {
  readonly target: CompiledTarget
  /** The conditions of its instances, as text. */
  readonly selector: string
  /** Share of the requests; one without any keeps no clients. */
  readonly weight: number
}

const sameSites = { strict: 'Strict', lax: 'Lax', none: 'None' } as const

/** Keeps the clients of a route on their target and instance, by a cookie. It has no state: all gateways with the same keys agree. */
export class RouteAffinity {
  readonly cookie: string
  readonly keys: readonly AffinityKey[]
  readonly #spec: AffinitySpec
  readonly #targets: readonly AffinityTarget[]
  readonly #pickOther: () => CompiledTarget
  /** Names of the targets, in their order. */
  readonly #names: ReadonlyMap<AffinityKey, readonly string[]>

  constructor(
    spec: AffinitySpec,
    {
      targets,
      pickOther,
      keys,
    }: { targets: readonly AffinityTarget[]; pickOther: () => CompiledTarget; keys: readonly AffinityKey[] },
  ) {
    this.cookie = spec.cookie
    this.keys = keys
    this.#spec = spec
    this.#targets = targets
    this.#pickOther = pickOther
    this.#names = new Map(
      keys.map((key) => [key, targets.map(({ target, selector }) => key.nameTarget(target.service, selector))]),
    )
  }

  /** The target of a request, with the instance that its cookie names. The cookie is removed. */
  pick(exchange: GatewayExchange): CompiledTarget {
    const value = takeCookie(exchange, this.cookie)
    const claim = value === undefined ? undefined : openCookie(this.cookie, value, this.keys)
    const isValid = claim !== undefined && claim.expiresAt > Date.now() / 1000
    const named = isValid
      ? this.#targets.find((one, index) => one.weight > 0 && this.#nameOf(index, claim.key) === claim.target)
      : undefined
    const target = named?.target ?? this.#pickOther()
    const isSecure = this.#spec.secure ?? exchange.header('x-forwarded-proto') === 'https'
    const session = new AffinitySession(this, target, {
      claim: named && claim,
      before: value === undefined ? 'new' : isValid ? 'moved' : 'invalid',
      isSecure,
    })
    return { ...target, session }
  }

  /** Whether a cookie should be renewed: it was signed by a former key, or half of its time is over. */
  isOld({ key, expiresAt }: AffinityClaim): boolean {
    return key !== this.keys[0] || expiresAt - Date.now() / 1000 < this.#ttlSeconds / 2
  }

  /** The field that gives a client its cookie. */
  issue(target: CompiledTarget, endpoint: Endpoint, isSecure: boolean): string {
    const key = this.keys[0] as AffinityKey
    const { path = '/', sameSite = 'lax' } = this.#spec
    const index = this.#targets.findIndex((one) => one.target === target)
    const value = key.seal(this.cookie, {
      target: this.#nameOf(index, key),
      instance: key.nameEndpoint(endpoint),
      expiresAt: Math.ceil(Date.now() / 1000) + this.#ttlSeconds,
    })
    const secure = isSecure ? '; Secure' : ''
    return `${this.cookie}=${value}; Path=${path}; Max-Age=${this.#ttlSeconds}; HttpOnly; SameSite=${sameSites[sameSite]}${secure}`
  }

  get #ttlSeconds(): number {
    return Math.ceil((this.#spec.ttlMs ?? 3_600_000) / 1000)
  }

  #nameOf(index: number, key: AffinityKey): string {
    return this.#names.get(key)?.[index] as string
  }
}

/** The affinity of one request. */
class AffinitySession implements TargetSession {
  /** Absent before an instance has responded. */
  outcome: AffinityOutcome | undefined
  readonly #before: AffinityOutcome
  readonly #affinity: RouteAffinity
  readonly #target: CompiledTarget
  readonly #claim: AffinityClaim | undefined
  readonly #isSecure: boolean
  #wasAvailable = false

  constructor(
    affinity: RouteAffinity,
    target: CompiledTarget,
    { claim, before, isSecure }: { claim: AffinityClaim | undefined; before: AffinityOutcome; isSecure: boolean },
  ) {
    this.#affinity = affinity
    this.#target = target
    this.#claim = claim
    this.#isSecure = isSecure
    this.#before = before
  }

  /** For `prefer` of a forwarded request. */
  readonly prefer = (endpoints: readonly Endpoint[]): Endpoint | undefined => {
    if (!this.#claim) return undefined
    const { key, instance } = this.#claim
    const endpoint = key.find(endpoints, instance)
    this.#wasAvailable = endpoint?.available === true && endpoint.instance.weight > 0
    return endpoint
  }

  responded(endpoint: Endpoint, raw: string[]): void {
    if (this.#claim) {
      const { key, instance } = this.#claim
      const isSame = key.nameEndpoint(endpoint) === instance
      if (isSame || this.#wasAvailable) {
        this.outcome = isSame ? 'kept' : 'diverted'
        if (!isSame || !this.#affinity.isOld(this.#claim)) return
      }
    }
    this.outcome ??= this.#before
    raw.push('set-cookie', this.#affinity.issue(this.#target, endpoint, this.#isSecure))
  }
}
