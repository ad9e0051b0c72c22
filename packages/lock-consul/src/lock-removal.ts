import { createBackoff, delayBeforeRetry, SdError, sleep } from '@sd/core'
import type { LocalQueue } from './local-queue.ts'
import type { LockKeys } from './lock-keys.ts'
import type { ResolvedConsulLockOptions } from './options.ts'
import type { ConsulSession } from './session.ts'

/** Removes the keys of locks, also while Consul is unreachable. */
export class LockRemoval {
  readonly #settings: ResolvedConsulLockOptions
  readonly #keys: LockKeys
  readonly #local: LocalQueue

  constructor(settings: ResolvedConsulLockOptions, keys: LockKeys, local: LocalQueue) {
    this.#settings = settings
    this.#keys = keys
    this.#local = local
  }

  /**
   * Releases the lock during our turn. If another client writes to the key, it stays with our session, with an index
   * that is not the token.
   */
  async giveBack(session: ConsulSession, key: string, token: bigint): Promise<void> {
    const { name } = this.#settings
    const isRemoved = (await this.#keys.remove(session, key, token)) || (await this.#keys.remove(session, key))
    if (!isRemoved) throw new SdError('SD_UNAVAILABLE', `${name}: ${key} was changed by other writers during each of 2 attempts`)
  }

  /** Repeats the removal while Consul is unreachable and the session exists: no other client can have the lock. */
  async removeInTheEnd(session: ConsulSession, key: string, token?: bigint): Promise<void> {
    const backoff = createBackoff({ maxMs: 2_000 })
    while (!session.lost.aborted) {
      try {
        if (await this.#keys.remove(session, key, token)) return
        // The key may still be ours with another value, or belong to another caller of this client. Wait for our turn
        // to find out.
        if (token !== undefined) return await this.#removeInTurn(session, key)
        await sleep(backoff.next(), session.lost).catch(() => undefined)
      } catch (error) {
        if (!(error instanceof SdError) || !error.retryable) return
        await sleep(delayBeforeRetry(backoff, error), session.lost).catch(() => undefined)
      }
    }
  }

  /** Removes the key if it is ours while no caller of this client has it. */
  async #removeInTurn(session: ConsulSession, key: string): Promise<void> {
    const leave = await this.#local.enter(key, session.lost)
    await this.removeInTheEnd(session, key).finally(leave)
  }

  /** The lock may be ours unknown to us. No caller of this client may request it before it is released. */
  async tidyUp(session: ConsulSession, key: string, leave: () => void): Promise<void> {
    const { operationTimeoutMs } = this.#settings
    await this.removeInTheEnd(session, key).finally(leave)
    // The request may even still be in progress.
    await sleep(operationTimeoutMs, session.lost)
    await this.#removeInTurn(session, key)
  }
}
