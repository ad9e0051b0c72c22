/** Share of an outage so far for which a circuit stays open, and of the whole outage in which its traffic returns. */
const share = 0.1
/** Part of an open time by which it is shortened at random, so that many clients do not try again at the same moment. */
const jitter = 0.1
/** Share of calls that are let through right after the circuit closed; Envoy's slow start begins there too. */
const firstShare = 0.1

/** What an {@link Outage} is told once. */
export interface OutageLimits {
  /** Shortest open time, in milliseconds. */
  readonly openMs: number
  /** Longest open time, in milliseconds. */
  readonly maxOpenMs: number
  /** Longest time in which all traffic returns, in milliseconds. */
  readonly recoveryMs: number
  /** Source of randomness in [0, 1). */
  readonly random: () => number
}

/**
 * How long the peer of one circuit has been failing, and what follows from it: a short outage is followed by short waits, a long one by long ones. With
 * waits of a tenth and a recovery of a tenth, calls fail for at most about 1.2 times the outage, plus the first open time and the trials.
 */
export class Outage {
  readonly #limits: OutageLimits
  #startedAt = Number.NEGATIVE_INFINITY
  #endedAt = Number.NEGATIVE_INFINITY
  #recoversIn = 0
  #isRecovering = false
  /** The part of a call that is saved up while not all calls are let through. */
  #credit = 1

  constructor(limits: OutageLimits) {
    this.#limits = limits
  }

  /** The circuit opens. @param isNew whether it let calls through before, or was isolated @returns how long it stays open, in milliseconds */
  open(isNew: boolean): number {
    const now = performance.now()
    // Healthy for less time than it failed before: the same outage goes on, as when a peer answers trials and fails under load.
    if (isNew && !(now - this.#endedAt < this.#endedAt - this.#startedAt)) this.#startedAt = now
    const { openMs, maxOpenMs, random } = this.#limits
    const waitMs = Math.min(maxOpenMs, Math.max(openMs, share * (now - this.#startedAt)))
    return Math.ceil(waitMs * (1 - jitter * random()))
  }

  /** The trials went well: the outage is over, and traffic returns step by step. */
  recover(): void {
    this.#endedAt = performance.now()
    this.#recoversIn = Math.min(this.#limits.recoveryMs, share * (this.#endedAt - this.#startedAt))
    this.#isRecovering = this.#recoversIn > 0
    this.#credit = 1
  }

  /** Somebody closed the circuit by hand: the outage is over, and all traffic returns at once. */
  end(): void {
    this.#startedAt = this.#endedAt = Number.NEGATIVE_INFINITY
    this.#isRecovering = false
  }

  /** Whether a closed circuit lets the next call through. */
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
