import {
  type BackoffOptions,
  closedError,
  createBackoff,
  delayBeforeRetry,
  type OperationOptions,
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
import { createRegistrationState, type RegistrationStateHolder } from './registration-state.ts'

/** State of one service and id in this process, across registrations that replace each other. */
export interface RegistrationSlot {
  /** Service and id, as the key of the queue. */
  readonly key: string
  /** The registration that currently owns the id. */
  current: KeptRegistration | undefined
  /**
   * What the backend may hold of this process, by incarnation: everything that was sent and neither replaced nor removed
   * since.
   */
  readonly written: Map<string, ServiceInstance>
  /** Until when an abandoned write of an earlier registration may still reach the backend, by `performance.now()`. */
  strayUntil: number
}

/** State of the traffic to the backend that all registrations of a keeper share. */
export interface RegistrationTraffic {
  /**
   * Limits concurrent operations. The time limit of an operation starts when it gets a place, regardless of the number of
   * registrations.
   */
  readonly places: Semaphore
  /** When the backend last completed an operation, by `performance.now()`. */
  lastSuccessAt: number
}

/** Options of a {@link KeptRegistration}. */
export interface KeptOptions {
  /** Name of the registry, for messages and telemetry. */
  readonly registry: string
  /** The backend. */
  readonly driver: RegistrationDriver
  /** Runs the operations of each slot one at a time. */
  readonly queue: KeyedQueue
  /** State of the traffic to the backend that all registrations share. */
  readonly traffic: RegistrationTraffic
  /** The slot of the registration. */
  readonly slot: RegistrationSlot
  /** Time limit of one backend operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Returns the time between renewals, in milliseconds. */
  readonly renewIntervalMs: (instance: ServiceInstance) => number
  /** Delays between attempts to register again. */
  readonly backoff: BackoffOptions
  /** Rejects an instance that the backend can't store. */
  readonly check: ((instance: ServiceInstance) => void) | undefined
  /** Called with the result of each contact with the backend. */
  readonly onContact: ((error: SdError | undefined) => void) | undefined
  /** Called when the registration has ended and has removed what it wrote, or failed to. */
  readonly onRemoved: () => void
}

/** How to wait for the first attempt; see `RegisterOptions`. */
export interface StartOptions extends OperationOptions {
  /** Time limit in milliseconds. */
  readonly timeoutMs: number
  /** What to do while the backend is unreachable. */
  readonly whenUnavailable: 'reject' | 'recover'
}

/** Time after which an abandoned write can't arrive any more, in milliseconds: longer than proxies and servers hold a request. */
const strayMs = 60_000

/** The wait for a place needs no limit of its own: the operations that hold places have time limits. */
const unlimited = new AbortController().signal

/** The implementation of `Registration`; see `createRegistrationKeeper`. */
export class KeptRegistration implements Registration {
  instance: ServiceInstance
  readonly #options: KeptOptions
  readonly #state: RegistrationStateHolder
  readonly #incarnation = crypto.randomUUID()
  readonly #backoff: ReturnType<typeof createBackoff>
  /** Ends the current pause early. */
  #interrupt: () => void = () => {}
  /** Whether another registration owns the id: in this process (state closed) or elsewhere (state failed). */
  #superseded = false

  constructor(instance: ServiceInstance, options: KeptOptions) {
    this.instance = instance
    this.#options = options
    this.#state = createRegistrationState({ registry: options.registry, registration: this })
    this.#backoff = createBackoff(options.backoff)
  }

  get state(): RegistrationState {
    return this.#state.state
  }

  get lastError(): SdError | undefined {
    return this.#state.lastError
  }

  /** When it entered its state, in Unix milliseconds. */
  get since(): number {
    return this.#state.since
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
      // A failed attempt may have reached the backend. Remove the instance without making the caller wait, unless a newer
      // registration replaces it.
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

  deregister({ signal }: OperationOptions = {}): Promise<void> {
    return this.#state.end({
      close: () => this.#close(),
      remove: () => this.#whileServed(this.#remove(), this.#options.operationTimeoutMs),
      signal,
    })
  }

  onStateChange(listener: (registration: Registration) => void): () => void {
    return this.#state.onChange(listener)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.deregister()
  }

  /** Called when a newer registration replaces this one. Ends without a request to the backend. */
  supersede(): void {
    this.#superseded = true
    this.#close()
  }

  /** Called when the backend lost its data. Registers again soon. */
  recover(error: SdError): void {
    if (this.state === 'active') this.#setState('recovering', error)
  }

  /** Writes the desired state again, because an abandoned operation has reached the backend after all. */
  repeat(): void {
    void this.#put().catch(() => undefined)
  }

  /** Renews the lease while active, otherwise registers again, until the end. */
  async #keep(): Promise<void> {
    const { renewIntervalMs } = this.#options
    while (!this.#ended) {
      const { state } = this
      await this.#pause(
        state === 'active' ? spread(renewIntervalMs(this.instance)) : delayBeforeRetry(this.#backoff, this.lastError),
      )
      // Woken by a loss: pause again, because the jitter keeps a thousand registrations from returning at once.
      if (this.#ended || state !== this.state) continue
      await (state === 'active' ? this.#renew() : this.#put()).catch(() => undefined)
    }
  }

  /**
   * Rejects when no operation has succeeded for the limit; queued removals continue. A thousand removals may take longer
   * than the limit of one.
   */
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
      // Keeps the process alive: a program that only registers must not exit because its registry is unreachable.
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
    // The other writes were abandoned. They may still arrive, and would then look like another process's.
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
        // Superseded soon after a write was abandoned: that write may have arrived late. Write again to find out.
        slot.strayUntil = 0
        this.#setState('recovering', new SdError('SD_UNAVAILABLE', `${registry} no longer has ${service} with id ${id}`))
        await this.#putNow()
      } else if (result === 'superseded') {
        this.#superseded = true
        this.#setState('failed', new SdError('SD_CONFLICT', `Another process registered ${service} with id ${id}`))
      }
    })
  }

  /** Removes everything that the backend may hold of this registration and of those that it replaced. */
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

  /** Runs an operation after all earlier ones, so that the backend receives them in order. */
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
    let abandoned = false
    const release = await traffic.places.acquire(unlimited)
    try {
      const result = await withTimeout({ timeoutMs, what }, async (signal) => {
        const result = await operation({ incarnation, signal })
        if (abandoned) this.#arrivedLate(incarnation, instance)
        return result
      })
      traffic.lastSuccessAt = performance.now()
      onContact?.(undefined)
      return result
    } catch (caught) {
      abandoned = true
      const error = toSdError(caught, 'SD_UNAVAILABLE', what)
      onContact?.(error)
      this.#setState(error.retryable ? 'recovering' : 'failed', error)
      throw error
    } finally {
      release()
    }
  }

  /**
   * An operation reached the backend after its time limit, and may have overwritten a newer one. Writes the desired state
   * again.
   */
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
    if (this.#state.set(state, error)) this.#interrupt()
  }

  #close(): void {
    const { slot } = this.#options
    this.#setState('closed', undefined)
    if (slot.current === this) slot.current = undefined
  }
}
