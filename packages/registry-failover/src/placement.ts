import {
  closedError,
  createBackoff,
  delayBeforeRetry,
  type InstanceSpec,
  type InstanceUpdate,
  type Registration,
  type RegistrationState,
  type Registry,
  SdError,
  type ServiceInstance,
  toSdError,
  withTimeout,
} from '@sd/core'

/** Options of {@link createPlacement}. */
export interface PlacementOptions {
  /** Registry in which to place the instance. */
  readonly registry: Registry
  /** Runs an operation after all earlier operations for the same instance on the same member. */
  readonly inTurn: <T>(operation: () => Promise<T>) => Promise<T>
  /** Returns the desired instance. */
  readonly desired: () => ServiceInstance
  /** Time after which the first attempt is treated as made, even if it is still running, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Called when `state`, `lastError` or `tried` may have changed. */
  readonly onChange: () => void
}

/** One instance on one member. */
export interface FailoverPlacement {
  /** State of the registration there. */
  readonly state: RegistrationState
  /** Why it is not active. */
  readonly lastError: SdError | undefined
  /** Whether a first attempt has ended or timed out. */
  readonly tried: boolean
  /** Whether the member has ever accepted it. */
  readonly placed: boolean
  /** Updates the member to the desired instance. Rejects if this attempt fails; it is then repeated. */
  apply(): Promise<void>
  /** Removes the instance and ends. */
  stop(): Promise<void>
  /** Ends and leaves the instance to a newer registration of the same id. */
  abandon(): void
}

/**
 * Keeps an instance on one member. The member's own Registration recovers; a failure that it does not recover from is
 * repeated here.
 */
export function createPlacement(options: PlacementOptions): FailoverPlacement {
  return new KeptPlacement(options)
}

class KeptPlacement implements FailoverPlacement {
  readonly #options: PlacementOptions
  readonly #stopped = new AbortController()
  readonly #left = new AbortController()
  readonly #backoff = createBackoff({ maxMs: 30_000 })
  readonly #slow: ReturnType<typeof setTimeout>
  #handle: Registration | undefined
  /** The instance last passed to the handle. */
  #applied: ServiceInstance | undefined
  #error: SdError | undefined
  #tried = false
  #ended: 'stopped' | 'abandoned' | undefined
  #stopping: Promise<void> | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #stopListening: () => void = () => {}

  constructor(options: PlacementOptions) {
    const { registry, operationTimeoutMs, onChange } = options
    this.#options = options
    this.#slow = setTimeout(() => {
      this.#tried = true
      this.#error ??= new SdError('SD_TIMEOUT', `${registry.name} did not respond within ${operationTimeoutMs} ms`)
      onChange()
    }, operationTimeoutMs)
    this.#slow.unref?.()
  }

  get state(): RegistrationState {
    return this.#currentState()
  }

  get lastError(): SdError | undefined {
    return this.#currentError()
  }

  get tried(): boolean {
    return this.#tried
  }

  get placed(): boolean {
    return this.#handle !== undefined
  }

  apply(): Promise<void> {
    return this.#options.inTurn(() => this.#bring())
  }

  stop(): Promise<void> {
    if (this.#ended === undefined) {
      this.#end('stopped')
      // A registration in progress removes the instance itself.
      this.#stopped.abort()
      this.#stopping = this.#options.inTurn(async () => this.#handle?.deregister())
    }
    return this.#stopping ?? Promise.resolve()
  }

  abandon(): void {
    if (this.#ended === undefined) this.#end('abandoned')
  }

  #currentState(): RegistrationState {
    if (this.#ended) return 'closed'
    if (this.#handle) return this.#handle.state === 'closed' ? 'failed' : this.#handle.state
    return this.#error && !this.#error.retryable ? 'failed' : 'recovering'
  }

  #currentError(): SdError | undefined {
    if (this.#handle?.state === 'closed') return closedError(`registration at ${this.#options.registry.name}`)
    return this.#handle?.lastError ?? this.#error
  }

  async #place(instance: ServiceInstance): Promise<void> {
    const what = `registering ${instance.service} at ${this.#options.registry.name}`
    // Ends with the placement, even if the member does not respond.
    const made = await withTimeout({ what, signal: this.#left.signal }, async () => {
      const made = await this.#options.registry.register(toSpec(instance), {
        whenUnavailable: 'recover',
        signal: this.#stopped.signal,
      })
      if (this.#ended === 'stopped') void made.deregister().catch(() => undefined)
      return made
    })
    if (this.#ended) throw closedError(`registration at ${this.#options.registry.name}`)
    this.#handle = made
    this.#applied = instance
    this.#stopListening = made.onStateChange(this.#options.onChange)
  }

  async #change(to: Registration, instance: ServiceInstance): Promise<void> {
    if (this.#applied !== instance) {
      await to.update(toUpdate(instance))
      this.#applied = instance
    } else if (to.state !== 'active') {
      throw (
        to.lastError ?? new SdError('SD_UNAVAILABLE', `${this.#options.registry.name} has not accepted ${instance.service} yet`)
      )
    }
  }

  async #bring(): Promise<void> {
    if (this.#ended) throw closedError(`registration at ${this.#options.registry.name}`)
    clearTimeout(this.#retry)
    const instance = this.#options.desired()
    try {
      await (this.#handle ? this.#change(this.#handle, instance) : this.#place(instance))
      this.#error = undefined
      this.#backoff.reset()
    } catch (caught) {
      const failure = toSdError(caught, 'SD_UNAVAILABLE', `registering ${instance.service} at ${this.#options.registry.name}`)
      this.#error = failure
      // The handle repeats a temporary failure on recovery. Pass only a refused instance again.
      if (this.#handle && failure.retryable) this.#applied = instance
      else if (!this.#ended && failure.code !== 'SD_CLOSED') this.#repeatLater()
      throw failure
    } finally {
      clearTimeout(this.#slow)
      this.#tried = true
      this.#options.onChange()
    }
  }

  #repeatLater(): void {
    this.#retry = setTimeout(() => void this.apply().catch(() => undefined), delayBeforeRetry(this.#backoff, this.#error))
    this.#retry.unref?.()
  }

  #end(how: 'stopped' | 'abandoned'): void {
    this.#ended = how
    clearTimeout(this.#retry)
    clearTimeout(this.#slow)
    this.#stopListening()
    this.#left.abort()
  }
}

function toSpec({ createdAt: _, updatedAt: __, ...spec }: ServiceInstance): InstanceSpec {
  return spec
}

/** Returns all changeable fields, so that a member that missed a change gets it with the next one. */
function toUpdate(instance: ServiceInstance): InstanceUpdate {
  const { protocol, ports = null, version = null, weight, priority, tags, metadata, locality = null } = instance
  const { health, healthCheck = null, needs = null } = instance
  return { protocol, ports, version, weight, priority, tags, metadata, locality, health, healthCheck, needs }
}
