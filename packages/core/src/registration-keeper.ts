import { type BackoffOptions, createBackoff } from './backoff.ts'
import { closedError, SdError, toSdError } from './errors.ts'
import { updateServiceInstance } from './instance.ts'
import type { OperationOptions, RegisterOptions, Registration, RegistrationState } from './registry.ts'
import type { ServiceInstance } from './service-instance.ts'
import { reportStates } from './state-report.ts'
import { publishTelemetry } from './telemetry.ts'
import { registrationStateChannel } from './telemetry-events.ts'
import { sleep, withTimeout } from './timers.ts'
import { checkDuration, checkOneOf } from './validate.ts'

/** What goes with every operation on a registered instance. */
export interface RegistrationContext {
  /** Marks what this registration put on the backend, so that another process's instance of the same id is left alone. */
  readonly incarnation: string
  /** Fires at the operation's time limit. */
  readonly signal: AbortSignal
}

/** `renewed`: still there. `lost`: the backend does not know it. `superseded`: another incarnation holds the id. */
export type RenewResult = 'renewed' | 'lost' | 'superseded'

/** The backend's side of registration: three operations, each free to throw. */
export interface RegistrationDriver {
  /** Creates or replaces the instance, lease included. Must be idempotent. */
  put(instance: ServiceInstance, context: RegistrationContext): Promise<void>
  /** Renews the lease; absent where the adapter's library does it, which then calls {@link RegistrationKeeper.recover} on loss. */
  renew?(instance: ServiceInstance, context: RegistrationContext): Promise<RenewResult>
  /** Removes the instance, if it is still this incarnation's where the backend can tell. A missing one is no error. */
  remove(instance: ServiceInstance, context: RegistrationContext): Promise<void>
}

/** Options of {@link createRegistrationKeeper}. */
export interface RegistrationKeeperOptions {
  /** Name of the registry, for messages and telemetry. */
  readonly registry: string
  /** The backend. */
  readonly driver: RegistrationDriver
  /** Time between renewals of an instance, in milliseconds; spread by ± 10 %. */
  readonly renewIntervalMs: (instance: ServiceInstance) => number
  /** Limit of one backend operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Delays between attempts to register again. @default 200 ms to 5 s */
  readonly backoff?: BackoffOptions
  /** Refuses an instance that the backend can't hold, before anything is sent. */
  readonly check?: ((instance: ServiceInstance) => void) | undefined
  /** Told how each contact with the backend ended: with an error, or without. */
  readonly onContact?: (error: SdError | undefined) => void
}

/** Keeps the registrations of one registry alive. */
export interface RegistrationKeeper {
  /** See `Registrar.register`. */
  register(instance: ServiceInstance, options?: RegisterOptions): Promise<Registration>
  /** Makes every active registration register again at once: for adapters that learn of a lost session. */
  recover(error: SdError): void
  /** Deregisters everything, each within the operation limit, and refuses what comes later. Idempotent; never rejects. */
  close(): Promise<void>
}

/**
 * The one implementation of `Registration`: desired state, heartbeats, recovery with jittered backoff, one operation at a time
 * per instance. After any failed contact the instance is put again rather than renewed, which heals every kind of loss.
 */
export function createRegistrationKeeper(options: RegistrationKeeperOptions): RegistrationKeeper {
  const { registry, driver } = options
  const operationTimeoutMs = checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 1)
  const kept = new Map<string, KeptRegistration>()
  let closing: Promise<void> | undefined
  const endReports = reportStates(function* () {
    for (const { instance, state } of kept.values()) {
      const { service, id: instanceId } = instance
      yield { kind: 'registration', registry, service, instanceId, state }
    }
  })

  return {
    async register(instance, registerOptions = {}) {
      if (closing) throw closedError(registry)
      const timeoutMs = checkDuration('timeoutMs', registerOptions.timeoutMs ?? 10_000, 1)
      const whenUnavailable = checkOneOf('whenUnavailable', registerOptions.whenUnavailable ?? 'reject', ['reject', 'recover'])
      const key = JSON.stringify([instance.service, instance.id])
      const before = kept.get(key)
      const registration = new KeptRegistration(instance, {
        registry,
        driver,
        operationTimeoutMs,
        renewIntervalMs: options.renewIntervalMs,
        backoff: { maxMs: 5_000, ...options.backoff },
        check: options.check,
        onContact: options.onContact,
        onClosed: () => {
          if (kept.get(key) === registration) kept.delete(key)
        },
      })
      kept.set(key, registration)
      await before?.supersede()
      await registration.start({ timeoutMs, whenUnavailable, signal: registerOptions.signal })
      return registration
    },
    recover(error) {
      for (const registration of kept.values()) registration.recover(error)
    },
    close() {
      closing ??= Promise.allSettled([...kept.values()].map((registration) => registration.deregister())).then(endReports)
      return closing
    },
  }
}

interface KeptOptions {
  readonly registry: string
  readonly driver: RegistrationDriver
  readonly operationTimeoutMs: number
  readonly renewIntervalMs: (instance: ServiceInstance) => number
  readonly backoff: BackoffOptions
  readonly check: ((instance: ServiceInstance) => void) | undefined
  readonly onContact: ((error: SdError | undefined) => void) | undefined
  readonly onClosed: () => void
}

interface StartOptions extends OperationOptions {
  readonly timeoutMs: number
  readonly whenUnavailable: 'reject' | 'recover'
}

class KeptRegistration implements Registration {
  instance: ServiceInstance
  state: RegistrationState = 'recovering'
  lastError?: SdError | undefined
  readonly #options: KeptOptions
  readonly #incarnation = crypto.randomUUID()
  readonly #listeners = new Set<(registration: Registration) => void>()
  readonly #backoff: ReturnType<typeof createBackoff>
  /** Ends the keeper's pause before its time. */
  #interrupt: () => void = () => {}
  /** Another registration took the id over: in this process (then closed) or elsewhere (then failed). */
  #superseded = false
  /** Tail of the chain that runs operations one at a time. */
  #tail: Promise<unknown> = Promise.resolve()
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
            if (!SdError.isInstance(error) || !error.retryable) throw error
            if (whenUnavailable === 'recover') return
          }
          await sleep(this.#backoff.next(), limit, true)
        }
      })
    } catch (error) {
      const reason = this.lastError
      this.#close()
      // The attempt that timed out may have reached the backend: take it back, without making the caller wait.
      void this.#remove().catch(() => undefined)
      throw SdError.isInstance(error) && error.code === 'SD_TIMEOUT' && reason ? reason : error
    }
    void this.#keep()
  }

  async update(change: Parameters<Registration['update']>[0], options: OperationOptions = {}): Promise<void> {
    if (this.state === 'closed') throw closedError(`registration of ${this.instance.service}`)
    const { operationTimeoutMs: timeoutMs } = this.#options
    const what = `updating ${this.instance.service}`
    await withTimeout({ timeoutMs: timeoutMs * 2, what, signal: options.signal }, () =>
      this.#inTurn(async () => {
        const before = this.instance
        const next = updateServiceInstance(before, change)
        this.#options.check?.(next)
        this.instance = next
        try {
          await this.#putNow()
        } catch (error) {
          if (!(SdError.isInstance(error) && error.retryable)) this.instance = before
          throw error
        }
      }),
    )
  }

  deregister(options: OperationOptions = {}): Promise<void> {
    if (this.#deregistering === undefined) {
      const wasClosed = this.state === 'closed'
      this.#close()
      this.#deregistering = wasClosed ? Promise.resolve() : this.#remove()
      this.#deregistering.catch(() => undefined)
    }
    const { signal } = options
    if (!signal) return this.#deregistering
    const pending = this.#deregistering
    return withTimeout({ timeoutMs: this.#options.operationTimeoutMs * 2, what: 'deregistering', signal }, () => pending)
  }

  onStateChange(listener: (registration: Registration) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.deregister()
  }

  /** A newer registration of the same id takes over: end without touching the backend. */
  async supersede(): Promise<void> {
    this.#superseded = true
    this.#close()
    await this.#tail
  }

  recover(error: SdError): void {
    if (this.state === 'active') this.#setState('recovering', error)
  }

  /** Renews while active, puts again while not, until it ends. */
  async #keep(): Promise<void> {
    const { renewIntervalMs } = this.#options
    while (!this.#ended) {
      const { state } = this
      await this.#pause(state === 'active' ? renewIntervalMs(this.instance) * (0.9 + Math.random() * 0.2) : this.#backoff.next())
      // Woken by a loss: pause once more, for the jitter that keeps a thousand registrations from returning at once.
      if (this.#ended || state !== this.state) continue
      await (state === 'active' ? this.#renew() : this.#put()).catch(() => undefined)
    }
  }

  get #ended(): boolean {
    return this.state === 'closed' || this.#superseded
  }

  #pause(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      // It keeps the process alive: a program that only registers must not end because its registry is away.
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
    await this.#contact('registering', (context) => this.#options.driver.put(this.instance, context))
    this.#backoff.reset()
    this.#setState('active', undefined)
  }

  #renew(): Promise<void> {
    return this.#inTurn(async () => {
      const result = await this.#contact(
        'renewing',
        async (context) => (await this.#options.driver.renew?.(this.instance, context)) ?? 'renewed',
      )
      const { service, id } = this.instance
      if (result === 'superseded') {
        this.#superseded = true
        this.#setState('failed', new SdError('SD_CONFLICT', `Another process registered ${service} with id ${id}`))
      } else if (result === 'lost') {
        this.#setState('recovering', new SdError('SD_UNAVAILABLE', `${this.#options.registry} lost ${service} with id ${id}`))
        await this.#putNow()
      }
    })
  }

  #remove(): Promise<void> {
    return this.#inTurn(
      () => this.#contact('deregistering', (context) => this.#options.driver.remove(this.instance, context)),
      true,
    )
  }

  /** Runs after everything that was asked before, so that the backend sees operations in their order. */
  #inTurn(operation: () => Promise<void>, evenIfEnded: boolean = false): Promise<void> {
    const turn = this.#tail.then(() => {
      if (this.#ended && !evenIfEnded) throw this.lastError ?? closedError(`registration of ${this.instance.service}`)
      return operation()
    })
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  async #contact<T>(doing: string, operation: (context: RegistrationContext) => Promise<T>): Promise<T> {
    const { registry, operationTimeoutMs: timeoutMs } = this.#options
    const what = `${doing} ${this.instance.service} at ${registry}`
    try {
      const result = await withTimeout({ timeoutMs, what }, (signal) => operation({ incarnation: this.#incarnation, signal }))
      this.#options.onContact?.(undefined)
      return result
    } catch (caught) {
      const error = toSdError(caught, 'SD_UNAVAILABLE', what)
      this.#options.onContact?.(error)
      this.#setState(error.retryable ? 'recovering' : 'failed', error)
      throw error
    }
  }

  #setState(state: RegistrationState, error: SdError | undefined): void {
    if (this.state === 'closed') return
    const changed = this.state !== state
    this.state = state
    this.lastError = error
    if (!changed) return
    this.#interrupt()
    const { service, id } = this.instance
    publishTelemetry(registrationStateChannel, { registry: this.#options.registry, service, instanceId: id, state, error })
    // Later, so that a throwing listener is the process's to hear of and can't break the keeper.
    for (const listener of this.#listeners) queueMicrotask(() => listener(this))
  }

  #close(): void {
    this.#setState('closed', undefined)
    this.#options.onClosed()
  }
}
