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
  /** Where the instance is to be. */
  readonly registry: Registry
  /** Runs an operation after all that was asked before for the same instance on the same member. */
  readonly inTurn: <T>(operation: () => Promise<T>) => Promise<T>
  /** The instance as it should be now. */
  readonly desired: () => ServiceInstance
  /** After how long the first attempt counts as tried though it has not ended, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Called when `state`, `lastError` or `tried` may have changed. */
  readonly onChange: () => void
}

/** One instance on one member. */
export interface FailoverPlacement {
  /** How it is there. */
  readonly state: RegistrationState
  /** Why it is not active. */
  readonly lastError: SdError | undefined
  /** Whether a first attempt has ended, or took too long. */
  readonly tried: boolean
  /** Whether the member has ever taken it. */
  readonly placed: boolean
  /** Brings the member to what is desired. Rejects if that failed now; it is repeated by itself. */
  apply(): Promise<void>
  /** Removes the instance and ends. */
  stop(): Promise<void>
  /** Ends and leaves the instance to a newer registration of the same id. */
  abandon(): void
}

/** Keeps an instance on one member. The member's own Registration heals itself; what that can't hold is repeated here. */
export function createPlacement(options: PlacementOptions): FailoverPlacement {
  const { registry, inTurn, desired, operationTimeoutMs, onChange } = options
  const stopped = new AbortController()
  const left = new AbortController()
  const backoff = createBackoff({ maxMs: 30_000 })
  let handle: Registration | undefined
  /** What the handle was told last. */
  let applied: ServiceInstance | undefined
  let error: SdError | undefined
  let tried = false
  let ended: 'stopped' | 'abandoned' | undefined
  let stopping: Promise<void> | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let stopListening: () => void = () => {}
  const slow = setTimeout(() => {
    tried = true
    error ??= new SdError('SD_TIMEOUT', `${registry.name} did not answer in ${operationTimeoutMs} ms`)
    onChange()
  }, operationTimeoutMs)
  slow.unref?.()

  function currentState(): RegistrationState {
    if (ended) return 'closed'
    if (handle) return handle.state === 'closed' ? 'failed' : handle.state
    return error && !error.retryable ? 'failed' : 'recovering'
  }

  function currentError(): SdError | undefined {
    if (handle?.state === 'closed') return closedError(`registration at ${registry.name}`)
    return handle?.lastError ?? error
  }

  async function place(instance: ServiceInstance): Promise<void> {
    const what = `registering ${instance.service} at ${registry.name}`
    // Ends with the placement, even if the member does not.
    const made = await withTimeout({ what, signal: left.signal }, async () => {
      const made = await registry.register(toSpec(instance), { whenUnavailable: 'recover', signal: stopped.signal })
      if (ended === 'stopped') void made.deregister().catch(() => undefined)
      return made
    })
    if (ended) throw closedError(`registration at ${registry.name}`)
    handle = made
    applied = instance
    stopListening = made.onStateChange(onChange)
  }

  async function change(to: Registration, instance: ServiceInstance): Promise<void> {
    if (applied !== instance) {
      await to.update(toUpdate(instance))
      applied = instance
    } else if (to.state !== 'active') {
      throw to.lastError ?? new SdError('SD_UNAVAILABLE', `${registry.name} has not taken ${instance.service} yet`)
    }
  }

  async function bring(): Promise<void> {
    if (ended) throw closedError(`registration at ${registry.name}`)
    clearTimeout(retry)
    const instance = desired()
    try {
      await (handle ? change(handle, instance) : place(instance))
      error = undefined
      backoff.reset()
    } catch (caught) {
      const failure = toSdError(caught, 'SD_UNAVAILABLE', `registering ${instance.service} at ${registry.name}`)
      error = failure
      // What failed for now the handle applies on recovery; only what it gave up is told again.
      if (handle && failure.retryable) applied = instance
      else if (!ended && failure.code !== 'SD_CLOSED') repeatLater()
      throw failure
    } finally {
      clearTimeout(slow)
      tried = true
      onChange()
    }
  }

  function repeatLater(): void {
    retry = setTimeout(() => void apply().catch(() => undefined), delayBeforeRetry(backoff, error))
    retry.unref?.()
  }

  const apply = (): Promise<void> => inTurn(bring)

  function end(how: 'stopped' | 'abandoned'): void {
    ended = how
    clearTimeout(retry)
    clearTimeout(slow)
    stopListening()
    left.abort()
  }

  return {
    get state() {
      return currentState()
    },
    get lastError() {
      return currentError()
    },
    get tried() {
      return tried
    },
    get placed() {
      return handle !== undefined
    },
    apply,
    stop() {
      if (ended === undefined) {
        end('stopped')
        // A member that has not answered yet takes it back by itself.
        stopped.abort()
        stopping = inTurn(async () => handle?.deregister())
      }
      return stopping ?? Promise.resolve()
    },
    abandon() {
      if (ended === undefined) end('abandoned')
    },
  }
}

function toSpec({ createdAt: _, updatedAt: __, ...spec }: ServiceInstance): InstanceSpec {
  return spec
}

/** Everything that can be changed, so that a member which missed a change has it with the next. */
function toUpdate(instance: ServiceInstance): InstanceUpdate {
  const { protocol, ports = null, version = null, weight, priority, tags, metadata, locality = null } = instance
  const { health, healthCheck = null } = instance
  return { protocol, ports, version, weight, priority, tags, metadata, locality, health, healthCheck }
}
