import { createRegistrationState, type RegistrationStateHolder } from '@sd/adapter-kit'
import {
  abortError,
  closedError,
  type InstanceUpdate,
  type OperationOptions,
  type Registration,
  type RegistrationState,
  type Registry,
  SdError,
  type ServiceInstance,
  toSdError,
  updateServiceInstance,
  withTimeout,
} from '@sd/core'
import type { Member } from './member.ts'
import type { ResolvedFailoverSettings } from './options.ts'
import { createPlacement, type FailoverPlacement } from './placement.ts'

/** The registry of a {@link FailoverRegistration}. */
export interface RegistrationOwner {
  /** Name of the registry, for messages and telemetry. */
  readonly registry: string
  /** Returns the current settings. */
  readonly settings: () => ResolvedFailoverSettings
  /** Returns the members that should hold the instance now. */
  readonly targets: () => readonly Member[]
  /** Resolves once the members that should hold the instance are known. */
  readonly settled: () => Promise<void>
  /** Runs an operation on a member after all earlier operations for the same instance there. */
  readonly inTurn: <T>(registry: Registry, operation: () => Promise<T>) => Promise<T>
  /** Called when the registration ends. */
  readonly onClosed: (registration: FailoverRegistration) => void
}

/** Options for waiting for the first attempt; see `RegisterOptions`. */
export interface StartOptions extends OperationOptions {
  /** Time limit, in milliseconds. */
  readonly timeoutMs: number
  /** What to do if no member accepts it. */
  readonly whenUnavailable: 'reject' | 'recover'
}

/** One registration that is kept on several members. */
export class FailoverRegistration implements Registration {
  instance: ServiceInstance
  readonly #owner: RegistrationOwner
  readonly #state: RegistrationStateHolder
  readonly #placements = new Map<Member, FailoverPlacement>()
  #changed: PromiseWithResolvers<void> = Promise.withResolvers()
  #moving: PromiseWithResolvers<void> | undefined
  #superseded = false

  constructor(instance: ServiceInstance, owner: RegistrationOwner) {
    this.instance = instance
    this.#owner = owner
    this.#state = createRegistrationState({ registry: owner.registry, registration: this })
  }

  get state(): RegistrationState {
    return this.#state.state
  }

  get lastError(): SdError | undefined {
    return this.#state.lastError
  }

  /** Registers, and waits until enough members hold the instance. */
  async start({ timeoutMs, whenUnavailable, signal }: StartOptions): Promise<void> {
    const what = `registering ${this.instance.service}`
    try {
      await withTimeout({ timeoutMs, what, signal }, async (limit) => {
        if (this.#owner.targets().length === 0) await this.#owner.settled()
        this.reconcile()
        while (!limit.aborted && !this.#isStarted(whenUnavailable)) await this.#changed.promise
      })
    } catch (caught) {
      const error = toSdError(caught, 'SD_UNAVAILABLE', what)
      const isTimeout = error.code === 'SD_TIMEOUT'
      // A member that hangs must not fail what another member accepted.
      if (isTimeout && this.state === 'active' && !this.#owner.settings().requireAll) return
      const reason = this.#firstError()
      void this.deregister().catch(() => undefined)
      throw (isTimeout && reason) || error
    }
    if (this.state === 'closed' && !this.#superseded) throw closedError(what)
  }

  /** Keeps the instance on its target members. Removes it from the others once all targets hold it. */
  reconcile(): void {
    if (this.state === 'closed') return
    this.#moving ??= Promise.withResolvers()
    for (const member of this.#owner.targets()) {
      const { registry } = member.settings
      if (this.#placements.has(member) || !registry) continue
      const placement = createPlacement({
        registry,
        inTurn: (operation) => this.#owner.inTurn(registry, operation),
        desired: () => this.instance,
        operationTimeoutMs: this.#owner.settings().operationTimeoutMs,
        onChange: () => this.#refresh(),
      })
      this.#placements.set(member, placement)
      void placement.apply().catch(() => undefined)
    }
    this.#refresh()
  }

  /** Resolves once every target member holds the instance. */
  moved(): Promise<void> {
    return this.#moving?.promise ?? Promise.resolve()
  }

  /** Removes the instance from a member now. */
  async forget(member: Member): Promise<void> {
    const placement = this.#placements.get(member)
    this.#placements.delete(member)
    await placement?.stop()
    this.#refresh()
  }

  async update(change: InstanceUpdate, { signal }: OperationOptions = {}): Promise<void> {
    const what = `updating ${this.instance.service}`
    if (this.state === 'closed') throw closedError(what)
    if (signal?.aborted) throw abortError(signal, what)
    const before = this.instance
    const after = updateServiceInstance(before, change)
    this.instance = after
    const error = await this.#applyEverywhere(what, signal)
    if (!error) return
    if (signal?.aborted) throw abortError(signal, what)
    if (!error.retryable && this.instance === after) {
      this.instance = before
      for (const placement of this.#placements.values()) void placement.apply().catch(() => undefined)
    }
    throw error
  }

  deregister({ signal }: OperationOptions = {}): Promise<void> {
    return this.#state.end({
      close: () => this.#close(),
      remove: () => this.#removeEverywhere(),
      signal,
      timeoutMs: this.#owner.settings().operationTimeoutMs * 2,
    })
  }

  onStateChange(listener: (registration: Registration) => void): () => void {
    return this.#state.onChange(listener)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.deregister()
  }

  /** Ends without touching the members: a newer registration of the same id replaces this one. */
  supersede(): void {
    this.#superseded = true
    const targets = this.#owner.targets()
    this.#close()
    for (const [member, placement] of this.#placements) {
      if (targets.includes(member)) placement.abandon()
      else void placement.stop().catch(() => undefined)
    }
  }

  /** Whether `start` may return. @throws SdError if every member, or one that is required, refused */
  #isStarted(whenUnavailable: 'reject' | 'recover'): boolean {
    if (this.state === 'closed') return true
    const { requireAll } = this.#owner.settings()
    const placements = this.#targeted()
    if (placements.length === 0) throw noMember(this.#owner.registry)
    const refused = placements.filter(([, { state }]) => state === 'failed')
    const isRefused = requireAll ? refused.length > 0 : refused.length === placements.length
    if (isRefused) throw refused[0]?.[1].lastError ?? closedError(this.#owner.registry)
    const isTaken = ([, { state }]: readonly [Member, FailoverPlacement]): boolean => state === 'active'
    // Does not wait for an unreachable member: its handle recovers.
    const isTried = placements.every(([{ health }, { tried }]) => tried || health.state === 'unreachable')
    if (requireAll ? placements.every(isTaken) : isTried && placements.some(isTaken)) return true
    return whenUnavailable === 'recover' && isTried
  }

  #targeted(): readonly (readonly [Member, FailoverPlacement])[] {
    const targets = this.#owner.targets()
    return [...this.#placements].filter(([member]) => targets.includes(member))
  }

  #refresh(): void {
    if (this.state === 'closed') return
    if (this.#moving && this.#targeted().every(([, { state }]) => state === 'active')) this.#leaveOthers()
    const placements = [...this.#placements.values()]
    const states = new Set(placements.map(({ state }) => state))
    if (states.has('active')) this.#state.set('active')
    else if (states.has('recovering')) this.#state.set('recovering', this.#firstError())
    else this.#state.set('failed', this.#firstError() ?? noMember(this.#owner.registry))
    this.#notify()
  }

  #leaveOthers(): void {
    const targets = this.#owner.targets()
    for (const [member, placement] of this.#placements) {
      if (targets.includes(member)) continue
      this.#placements.delete(member)
      void placement.stop().catch(() => undefined)
    }
    this.#moving?.resolve()
    this.#moving = undefined
  }

  #firstError(): SdError | undefined {
    for (const { lastError } of this.#placements.values()) if (lastError) return lastError
    return undefined
  }

  /** Returns why not enough members accepted the change, or `undefined` if they did. */
  async #applyEverywhere(what: string, signal: AbortSignal | undefined): Promise<SdError | undefined> {
    const { requireAll, operationTimeoutMs: timeoutMs } = this.#owner.settings()
    const all = [...this.#placements]
    const reachable = all.filter(([{ health }]) => health.state !== 'unreachable')
    const waitsForAll = requireAll || reachable.length === 0
    const results = await Promise.allSettled(
      all.map(([{ health }, placement]) => {
        const applied = withTimeout({ timeoutMs, what, signal }, () => placement.apply())
        if (waitsForAll || health.state !== 'unreachable') return applied
        applied.catch(() => undefined)
        return Promise.reject(health.error)
      }),
    )
    return judge(results, requireAll, what)
  }

  async #removeEverywhere(): Promise<void> {
    const { requireAll, operationTimeoutMs: timeoutMs } = this.#owner.settings()
    const what = `deregistering ${this.instance.service}`
    const placements = [...this.#placements.values()]
    const isPlaced = placements.map(({ placed }) => placed)
    const results = await Promise.allSettled(placements.map((one) => withTimeout({ timeoutMs, what }, () => one.stop())))
    const error = judge(
      results.filter((_, index) => isPlaced[index]),
      requireAll,
      what,
    )
    if (error) throw error
  }

  #notify(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers()
    resolve()
  }

  #close(): void {
    if (this.state === 'closed') return
    this.#state.set('closed')
    this.#moving?.resolve()
    this.#owner.onClosed(this)
    this.#notify()
  }
}

/**
 * Returns the error of an operation on several members, or `undefined` if all, or without `requireAll` some, succeeded.
 * A refusal takes precedence.
 */
function judge(results: readonly PromiseSettledResult<void>[], requireAll: boolean, what: string): SdError | undefined {
  const errors = results.flatMap((result) =>
    result.status === 'rejected' ? [toSdError(result.reason, 'SD_UNAVAILABLE', what)] : [],
  )
  if (!requireAll && errors.length < results.length) return undefined
  const isRefusal = ({ retryable, code }: SdError): boolean => !retryable && code !== 'SD_CLOSED'
  return errors.find(isRefusal) ?? errors.find(({ retryable }) => retryable) ?? errors[0]
}

function noMember(registry: string): SdError {
  return new SdError('SD_UNSUPPORTED', `${registry} has no member for writes`)
}
