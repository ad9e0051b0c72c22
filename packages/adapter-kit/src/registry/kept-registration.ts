import {
  type BackoffOptions,
  checkFunction,
  closedError,
  createBackoff,
  delayBeforeRetry,
  guardListener,
  type OperationOptions,
  publishTelemetry,
  type Registration,
  type RegistrationState,
  SdError,
  type Semaphore,
  type ServiceInstance,
  settlesWithin,
  sleep,
  spread,
  toSdError,
  updateServiceInstance,
  withTimeout,
} from '@sd/core'
import type { KeyedQueue } from './keyed-queue.ts'
import type { RegistrationContext, RegistrationDriver } from './registration-driver.ts'

/** What one process knows of one service and id, across the registrations that replace each other under it. */
export interface RegistrationSlot {
  /** The service and the id, as the queue's key. */
  readonly key: string
  /** The registration that holds the id now. */
  current: KeptRegistration | undefined
  /** What the backend may hold of ours, by incarnation: whatever was sent and neither replaced nor removed since. */
  readonly written: Map<string, ServiceInstance>
  /** Until when a write of an earlier registration, which was given up, may still reach the backend, by `performance.now()`. */
  strayUntil: number
}

/** What all registrations of a keeper share of the way to the backend. */
export interface RegistrationTraffic {
  /** Lets some operations out at a time: the limit of one begins when it is its turn, however many registrations there are. */
  readonly places: Semaphore
  /** When the backend last did what it was asked, by `performance.now()`. */
  lastSuccessAt: number
}

/** What a {@link KeptRegistration} belongs to. */
export interface KeptOptions {
  /** Name of the registry, for messages and telemetry. */
  readonly registry: string
  /** The backend. */
  readonly driver: RegistrationDriver
  /** Runs the operations of each slot one at a time. */
  readonly queue: KeyedQueue
  /** What all registrations share of the way to the backend. */
  readonly traffic: RegistrationTraffic
  /** The slot that the registration fills. */
  readonly slot: RegistrationSlot
  /** Limit of one backend operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Time between renewals, in milliseconds. */
  readonly renewIntervalMs: (instance: ServiceInstance) => number
  /** Delays between attempts to register again. */
  readonly backoff: BackoffOptions
  /** Refuses an instance that the backend can't hold. */
  readonly check: ((instance: ServiceInstance) => void) | undefined
  /** Told how each contact with the backend ended. */
  readonly onContact: ((error: SdError | undefined) => void) | undefined
  /** Called when the registration has ended and has removed what it wrote, or could not. */
  readonly onRemoved: () => void
}

/** How the first attempt is waited for; see `RegisterOptions`. */
export interface StartOptions extends OperationOptions {
  /** Limit in milliseconds. */
  readonly timeoutMs: number
  /** What to do while the backend is unreachable. */
  readonly whenUnavailable: 'reject' | 'recover'
}

/** How long a write that was given up may take to arrive, in milliseconds: longer than proxies and servers hold a request. */
const strayMs = 60_000

/** Places are given back by operations that are limited themselves. */
const unlimited = new AbortController().signal

/** The one implementation of `Registration`; see `createRegistrationKeeper`. */
export class KeptRegistration implements Registration {
  instance: ServiceInstance
  state: RegistrationState = 'recovering'
  lastError?: SdError | undefined
  readonly #options: KeptOptions
  readonly #incarnation = crypto.randomUUID()
  readonly #listeners = new Set<(registration: Registration) => void>()
  readonly #backoff: ReturnType<typeof createBackoff>
  /** Ends the keeper's pause before its time. */
  #interrupt: () => void = () => {}
  /** Another registration holds the id now: in this process (then closed) or elsewhere (then failed). */
  #superseded = false
  #deregistering: Promise<void> | undefined

  constructor(instance: ServiceInstance, options: KeptOptions) {
    this.instance = instance
    this.#options = options
    this.#backoff = createBackoff(options.backoff)
  }

  async start(options: StartOptions): Promise<void> {
    const { timeoutMs, whenUnavailable, signal } = options
    const what = `registering ${this.instance.service}`
    try {
      await withTimeout({ timeoutMs, what, signal }, async (limit) => {
        for (;;) {
          try {
            await this.#put()
            return
          } catch (error) {
            if (this.#superseded) return
            if (this.state === 'closed') throw closedError(what)
            if (!(error instanceof SdError) || !error.retryable) throw error
            if (whenUnavailable === 'recover') return
          }
          await sleep(delayBeforeRetry(this.#backoff, this.lastError), limit, true)
        }
      })
    } catch (error) {
      const reason = this.lastError
      // An attempt that failed may have reached the backend: take it back, without making the caller wait. A newer registration replaces it.
      if (!this.#superseded) void this.deregister()
      throw error instanceof SdError && error.code === 'SD_TIMEOUT' && reason ? reason : error
    }
    void this.#keep()
  }

  async update(change: Parameters<Registration['update']>[0], options: OperationOptions = {}): Promise<void> {
    if (this.state === 'closed') throw closedError(`registration of ${this.instance.service}`)
    const { operationTimeoutMs: timeoutMs } = this.#options
    const what = `updating ${this.instance.service}`
    await withTimeout({ timeoutMs, what, signal: options.signal }, () =>
      this.#inTurn(async () => {
        const before = this.instance
        const next = updateServiceInstance(before, change)
        this.#options.check?.(next)
        this.instance = next
        try {
          await this.#putNow()
        } catch (error) {
          if (!(error instanceof SdError && error.retryable)) this.instance = before
          throw error
        }
      }),
    )
  }

  deregister(options: OperationOptions = {}): Promise<void> {
    if (this.#deregistering === undefined) {
      const wasClosed = this.state === 'closed'
      const { operationTimeoutMs: timeoutMs } = this.#options
      this.#close()
      this.#deregistering = wasClosed ? Promise.resolve() : this.#whileServed(this.#remove(), timeoutMs)
      this.#deregistering.catch(() => undefined)
    }
    const { signal } = options
    if (!signal) return this.#deregistering
    const pending = this.#deregistering
    return withTimeout({ what: 'deregistering', signal }, () => pending)
  }

  onStateChange(listener: (registration: Registration) => void): () => void {
    const { service, id } = this.instance
    const own = guardListener(`state listener of registration ${service}/${id}`, checkFunction('listener', listener))
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.deregister()
  }

  /** A newer registration of the same id replaces this one: end without touching the backend. */
  supersede(): void {
    this.#superseded = true
    this.#close()
  }

  /** The backend lost what it held: register again soon. */
  recover(error: SdError): void {
    if (this.state === 'active') this.#setState('recovering', error)
  }

  /** Writes the desired state once more: an operation that was given up has reached the backend after all. */
  repeat(): void {
    void this.#put().catch(() => undefined)
  }

  /** Renews while active, puts again while not, until it ends. */
  async #keep(): Promise<void> {
    const { renewIntervalMs } = this.#options
    while (!this.#ended) {
      const { state } = this
      await this.#pause(
        state === 'active' ? spread(renewIntervalMs(this.instance)) : delayBeforeRetry(this.#backoff, this.lastError),
      )
      // Woken by a loss: pause once more, for the jitter that keeps a thousand registrations from returning at once.
      if (this.#ended || state !== this.state) continue
      await (state === 'active' ? this.#renew() : this.#put()).catch(() => undefined)
    }
  }

  /** Rejects once nothing has succeeded for the limit; what waits in line is still done. A thousand at once may take longer than one. */
  async #whileServed(removal: Promise<void>, limitMs: number): Promise<void> {
    const { traffic } = this.#options
    const startedAt = performance.now()
    for (;;) {
      const leftMs = Math.max(startedAt, traffic.lastSuccessAt) + limitMs - performance.now()
      if (leftMs <= 0) throw new SdError('SD_TIMEOUT', `deregistering ${this.instance.service} took longer than ${limitMs} ms`)
      if (await settlesWithin(removal, leftMs)) return
    }
  }

  get #ended(): boolean {
    return this.state === 'closed' || this.#superseded
  }

  #pause(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      // It keeps the process alive: a program that only registers must not end because its registry is unreachable.
      const timer = setTimeout(resolve, durationMs)
      this.#interrupt = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #put(): Promise<void> {
    return this.#inTurn(() => this.#putNow())
  }

  async #putNow(): Promise<void> {
    const { written } = this.#options.slot
    const { instance } = this
    written.set(this.#incarnation, instance)
    await this.#contact('registering', (context) => this.#options.driver.put(instance, context))
    // Whatever else is left here was given up: it may be on its way, and is then taken for another process's.
    if (written.size > 1) this.#options.slot.strayUntil = performance.now() + strayMs
    for (const incarnation of written.keys()) if (incarnation !== this.#incarnation) written.delete(incarnation)
    this.#backoff.reset()
    this.#setState('active', undefined)
  }

  #renew(): Promise<void> {
    return this.#inTurn(async () => {
      const { registry, driver, slot } = this.#options
      const result = await this.#contact(
        'renewing',
        async (context) => (await driver.renew?.(this.instance, context)) ?? 'renewed',
      )
      const { service, id } = this.instance
      if (result === 'lost' || (result === 'superseded' && performance.now() < slot.strayUntil)) {
        // Superseded soon after a write was given up: that one may have arrived late. Written once more to find out.
        slot.strayUntil = 0
        this.#setState('recovering', new SdError('SD_UNAVAILABLE', `${registry} lost ${service} with id ${id}`))
        await this.#putNow()
      } else if (result === 'superseded') {
        this.#superseded = true
        this.#setState('failed', new SdError('SD_CONFLICT', `Another process registered ${service} with id ${id}`))
      }
    })
  }

  /** Removes whatever the backend may hold of this registration and of those that it replaced. */
  #remove(): Promise<void> {
    const { slot, driver, queue, onRemoved } = this.#options
    const removal = queue.run(slot.key, async () => {
      const failures: unknown[] = []
      for (const [incarnation, instance] of [...slot.written].reverse()) {
        try {
          await this.#contact('deregistering', (context) => driver.remove(instance, context), incarnation)
          slot.written.delete(incarnation)
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    })
    removal.then(onRemoved, onRemoved)
    return removal
  }

  /** Runs after everything that was asked before, so that the backend sees operations in their order. */
  #inTurn(operation: () => Promise<void>): Promise<void> {
    const { queue, slot } = this.#options
    return queue.run(slot.key, async () => {
      if (this.#ended) throw this.lastError ?? closedError(`registration of ${this.instance.service}`)
      await operation()
    })
  }

  async #contact<T>(
    doing: string,
    operation: (context: RegistrationContext) => Promise<T>,
    incarnation: string = this.#incarnation,
  ): Promise<T> {
    const { registry, operationTimeoutMs: timeoutMs, onContact, traffic } = this.#options
    const { instance } = this
    const what = `${doing} ${instance.service} at ${registry}`
    let givenUp = false
    const release = await traffic.places.acquire(unlimited)
    try {
      const result = await withTimeout({ timeoutMs, what }, async (signal) => {
        const result = await operation({ incarnation, signal })
        if (givenUp) this.#arrivedLate(incarnation, instance)
        return result
      })
      traffic.lastSuccessAt = performance.now()
      onContact?.(undefined)
      return result
    } catch (caught) {
      givenUp = true
      const error = toSdError(caught, 'SD_UNAVAILABLE', what)
      onContact?.(error)
      this.#setState(error.retryable ? 'recovering' : 'failed', error)
      throw error
    } finally {
      release()
    }
  }

  /** An operation reached the backend after its limit, perhaps over a newer one: what should be there is written again. */
  #arrivedLate(incarnation: string, instance: ServiceInstance): void {
    const { slot } = this.#options
    if (slot.current) {
      slot.current.repeat()
      return
    }
    slot.written.set(incarnation, instance)
    void this.#remove().catch(() => undefined)
  }

  #setState(state: RegistrationState, error: SdError | undefined): void {
    if (this.state === 'closed') return
    const changed = this.state !== state
    this.state = state
    this.lastError = error
    if (!changed) return
    this.#interrupt()
    const { service, id } = this.instance
    publishTelemetry('sd:v1:registration:state', { registry: this.#options.registry, service, instanceId: id, state, error })
    // Later, so that a listener that changes the registration does not do so in the middle of a change.
    for (const tell of this.#listeners) queueMicrotask(() => tell(this))
  }

  #close(): void {
    const { slot } = this.#options
    this.#setState('closed', undefined)
    if (slot.current === this) slot.current = undefined
  }
}
