import { createBackoff, delayBeforeRetry, SdError, sleep } from '@sd/core'
import type { LocalQueue } from './local-queue.ts'
import type { LockKeys } from './lock-keys.ts'
import type { ResolvedConsulLockOptions } from './options.ts'
import type { ConsulSession } from './session.ts'

/** Removes the keys of locks, also while Consul can't be reached. */
export class LockRemoval {
  readonly #settings: ResolvedConsulLockOptions
  readonly #keys: LockKeys
  readonly #local: LocalQueue

  constructor(settings: ResolvedConsulLockOptions, keys: LockKeys, local: LocalQueue) {
    this.#settings = settings
    this.#keys = keys
    this.#local = local
  }

  /** Gives the lock back while its turn is ours. Whoever else writes to the key leaves it to our session, with an index that is not the token. */
  async giveBack(session: ConsulSession, key: string, token: bigint): Promise<void> {
    const { name } = this.#settings
    const isGone = (await this.#keys.remove(session, key, token)) || (await this.#keys.remove(session, key))
    if (!isGone) throw new SdError('SD_UNAVAILABLE', `${name} has another value of ${key} again and again`)
  }

  /** Goes on removing while Consul is away and the session lives: nobody else could have the lock. */
  async removeInTheEnd(session: ConsulSession, key: string, token?: bigint): Promise<void> {
    const backoff = createBackoff({ maxMs: 2_000 })
    while (!session.lost.aborted) {
      try {
        if (await this.#keys.remove(session, key, token)) return
        // Ours still, with another value, or another caller's of this client: that is known once it is our turn.
        if (token !== undefined) return await this.#removeInTurn(session, key)
        await sleep(backoff.next(), session.lost).catch(() => undefined)
      } catch (error) {
        if (!(error instanceof SdError) || !error.retryable) return
        await sleep(delayBeforeRetry(backoff, error), session.lost).catch(() => undefined)
      }
    }
  }

  /** Removes the key if it is ours while nobody of this client has it. */
  async #removeInTurn(session: ConsulSession, key: string): Promise<void> {
    const leave = await this.#local.enter(key, session.lost)
    await this.removeInTheEnd(session, key).finally(leave)
  }

  /** The lock may be ours without our knowing: nobody of this client may ask for it before it is given back. */
  async tidyUp(session: ConsulSession, key: string, leave: () => void): Promise<void> {
    const { operationTimeoutMs } = this.#settings
    await this.removeInTheEnd(session, key).finally(leave)
    // The request may even have been under way still.
    await sleep(operationTimeoutMs, session.lost)
    await this.#removeInTurn(session, key)
  }
}
