/** The open time as a share of the outage so far, and the recovery time as a share of the whole outage. */
const share = 0.1
/** Maximum share by which an open time is shortened at random, so that many clients do not retry at the same moment. */
const jitter = 0.1
/** Share of calls that are permitted right after the circuit closed, as in Envoy's slow start. */
const firstShare = 0.1

/** Limits of an {@link Outage}. */
export interface OutageLimits {
  /** Minimum open time, in milliseconds. */
  readonly openMs: number
  /** Maximum open time, in milliseconds. */
  readonly maxOpenMs: number
  /** Maximum time in which all traffic returns, in milliseconds. */
  readonly recoveryMs: number
  /** Source of randomness in [0, 1). */
  readonly random: () => number
}

/**
 * Tracks how long the peer of a circuit has been failing: short outages lead to short waits, long outages to long waits.
 * With waits and recovery of a tenth each, calls fail for at most about 1.2 times the outage, plus the first open time
 * and the trials.
 */
export class Outage {
  readonly #limits: OutageLimits
  #startedAt = Number.NEGATIVE_INFINITY
  #endedAt = Number.NEGATIVE_INFINITY
  #recoversIn = 0
  #isRecovering = false
  /** Accumulated fraction of a call while only a share of calls is permitted. */
  #credit = 1

  constructor(limits: OutageLimits) {
    this.#limits = limits
  }

  /**
   * Records that the circuit opens. @param isNew whether it was closed or isolated before @returns the open time, in
   * milliseconds
   */
  open(isNew: boolean): number {
    const now = performance.now()
    // If it was healthy for less time than it had failed, the same outage continues; for example if a peer serves trials
    // but fails under load.
    if (isNew && !(now - this.#endedAt < this.#endedAt - this.#startedAt)) this.#startedAt = now
    const { openMs, maxOpenMs, random } = this.#limits
    const waitMs = Math.min(maxOpenMs, Math.max(openMs, share * (now - this.#startedAt)))
    return Math.ceil(waitMs * (1 - jitter * random()))
  }

  /** Records that the trials succeeded: the outage is over, and traffic returns gradually. */
  recover(): void {
    this.#endedAt = performance.now()
    this.#recoversIn = Math.min(this.#limits.recoveryMs, share * (this.#endedAt - this.#startedAt))
    this.#isRecovering = this.#recoversIn > 0
    this.#credit = 1
  }

  /** Records that the circuit was closed manually: the outage is over, and all traffic returns at once. */
  end(): void {
    this.#startedAt = this.#endedAt = Number.NEGATIVE_INFINITY
    this.#isRecovering = false
  }

  /** Whether a closed circuit permits the next call. */
  admits(): boolean {
    if (!this.#isRecovering) return true
    const leftMs = this.#endedAt + this.#recoversIn - performance.now()
    if (leftMs <= 0) {
      this.#isRecovering = false
      return true
    }
    this.#credit += Math.max(firstShare, 1 - leftMs / this.#recoversIn)
    if (this.#credit < 1) return false
    this.#credit--
    return true
  }
}
