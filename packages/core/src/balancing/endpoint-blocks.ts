/**
 * Why an endpoint is out. `unhealthy` (reported by the instance or its registry) and `draining` come with the instance.
 * The others are blocks:
 *
 * - `ejected`: a monitor ejected it
 * - `breaker`: its circuit breaker is open
 * - `isolated`: its circuit breaker was isolated and refuses everything
 * - `unreachable`: a connection failed, or no response came in time
 * - `failing`: several attempts failed in a row
 * - `retry-after`: it said when to try again
 * - `removed`: it is no longer listed
 * - `blocked`: another reason
 */
export type OutReason =
  | 'unhealthy'
  | 'draining'
  | 'ejected'
  | 'breaker'
  | 'isolated'
  | 'unreachable'
  | 'failing'
  | 'retry-after'
  | 'removed'
  | 'blocked'

/** Why an endpoint is out, since when, and until when. */
export interface EndpointOut {
  readonly reason: OutReason
  /** Details for people. */
  readonly detail?: string | undefined
  /** Since when, in Unix milliseconds. */
  readonly since: number
  /** Until when, in Unix milliseconds; absent if that is not known. */
  readonly until?: number | undefined
}

/** A reason that keeps an endpoint from being picked. */
export interface EndpointBlock extends EndpointOut {
  /** What blocks it, such as the name of a monitor. */
  readonly by: string
  /** Whether it may be picked once nevertheless, to find out whether it has recovered. */
  readonly isTrial: boolean
}

/** Options of a block; see {@link EndpointBlock}. */
export interface BlockOptions {
  /** The kind of reason. @default 'blocked' */
  readonly reason?: OutReason
  /** Details for people. @default none */
  readonly detail?: string | undefined
  /** Expected duration in milliseconds. Only shown to people: the code that blocks must also unblock. @default not known */
  readonly forMs?: number | undefined
  /** Whether the endpoint may be picked once nevertheless. @default false */
  readonly isTrial?: boolean
}

/**
 * Which blocks are not in effect:
 *
 * - `none`: all are in effect.
 * - `judged`: `unhealthy`, `ejected`, `breaker` and `blocked` are not, because the instance may still respond.
 *   `unreachable`, `failing` and `retry-after` stay in effect, because attempts have just failed.
 * - `failing`: those are not in effect either.
 *
 * `isolated` and `removed` are always in effect.
 */
export type OverruledBlocks = 'none' | 'judged' | 'failing'

const finalRank = 3
const ranks: Readonly<Partial<Record<OutReason, number>>> = {
  unreachable: 2,
  failing: 2,
  'retry-after': 2,
  isolated: finalRank,
  removed: finalRank,
}
const overruledRanks: Readonly<Record<OverruledBlocks, number>> = { none: 0, judged: 1, failing: 2 }

/** The blocks of one endpoint. */
export class EndpointBlocks {
  /** Whether any block is in effect. */
  isInEffect = false
  /** Whether a block allows one trial attempt. */
  isTrial = false
  /** Whether a block stays in effect in a panic, see {@link OverruledBlocks}. */
  isFailing = false
  readonly #blocks = new Map<string, EndpointBlock>()
  #highest = 0
  #overruled = 0

  /** Number of blocks, in effect or not. */
  get size(): number {
    return this.#blocks.size
  }

  /** All blocks, in effect or not. */
  list(): readonly EndpointBlock[] {
    return [...this.#blocks.values()]
  }

  /** Adds a block, or replaces the block with the same name. Its `since` is kept while the reason stays the same. */
  add(by: string, { reason = 'blocked', detail, forMs, isTrial = false }: BlockOptions): void {
    const before = this.#blocks.get(by)
    const now = Date.now()
    const since = before?.reason === reason ? before.since : now
    const until = forMs === undefined ? undefined : now + forMs
    this.#blocks.set(by, { by, reason, detail, since, until, isTrial })
    this.#judge()
  }

  /** Removes a block. @returns whether there was one */
  delete(by: string): boolean {
    const existed = this.#blocks.delete(by)
    if (existed) this.#judge()
    return existed
  }

  /** Sets which blocks are not in effect. */
  overrule(overruled: OverruledBlocks): void {
    this.#overruled = overruledRanks[overruled]
    this.#decide()
  }

  #judge(): void {
    this.#highest = 0
    this.isTrial = false
    this.isFailing = false
    for (const { reason, isTrial } of this.#blocks.values()) {
      if (isTrial) this.isTrial = true
      else this.#highest = Math.max(this.#highest, ranks[reason] ?? 1)
      if ((ranks[reason] ?? 1) > 1) this.isFailing = true
    }
    this.#decide()
  }

  #decide(): void {
    this.isInEffect = this.#highest > this.#overruled
  }
}
