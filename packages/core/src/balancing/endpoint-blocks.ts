/**
 * Why an endpoint is out. `unhealthy` by its own or its registry's word, `draining`: those two come with the instance. The others are blocks:
 * `ejected` by a monitor, `breaker`: its circuit breaker is open, `isolated`: a breaker was told to refuse everything, `unreachable`: it
 * could not be connected or did not answer in time, `failing`: it failed several times in a row, `retry-after`: it said when to come back,
 * `removed`: it is not listed any more, `blocked`: another reason.
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
  /** The kind of reason. */
  readonly reason: OutReason
  /** More about it, for people. */
  readonly detail?: string | undefined
  /** Since when, in Unix milliseconds. */
  readonly since: number
  /** Until when, in Unix milliseconds; absent where that is not known. */
  readonly until?: number | undefined
}

/** A reason that keeps an endpoint from being picked. */
export interface EndpointBlock extends EndpointOut {
  /** Who blocks it, such as the name of a monitor. */
  readonly by: string
  /** Whether it may be picked once all the same, to see whether it has recovered. */
  readonly isTrial: boolean
}

/** What a block is for; see {@link EndpointBlock}. */
export interface BlockOptions {
  /** The kind of reason. @default 'blocked' */
  readonly reason?: OutReason
  /** More about it, for people. @default none */
  readonly detail?: string | undefined
  /** How long it is to last, in milliseconds. For people: who blocks takes the block back. @default not known */
  readonly forMs?: number | undefined
  /** Whether the endpoint may be picked once all the same. @default false */
  readonly isTrial?: boolean
}

/**
 * Which blocks are not in effect. `none`: all are in effect. `judged`: `unhealthy`, `ejected`, `breaker` and `blocked` are not, because an
 * instance that was judged may still answer; `unreachable`, `failing` and `retry-after` are, because attempts just failed. `failing`:
 * those are not either. `isolated` and `removed` are always in effect.
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

/** The blocks of one endpoint, and whether they are in effect. */
export class EndpointBlocks {
  /** Whether any block is in effect. */
  isInEffect = false
  /** Whether a block lets one attempt through. */
  isTrial = false
  /** Whether a block is one that is in effect in a panic too, see {@link OverruledBlocks}. */
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

  /** Adds a block, or replaces the one by the same name, which keeps its beginning while the reason stays the same. */
  add(by: string, { reason = 'blocked', detail, forMs, isTrial = false }: BlockOptions): void {
    const before = this.#blocks.get(by)
    const now = Date.now()
    const since = before?.reason === reason ? before.since : now
    const until = forMs === undefined ? undefined : now + forMs
    this.#blocks.set(by, { by, reason, detail, since, until, isTrial })
    this.#judge()
  }

  /** Takes a block back. @returns whether there was one */
  delete(by: string): boolean {
    const existed = this.#blocks.delete(by)
    if (existed) this.#judge()
    return existed
  }

  /** Says which blocks are not in effect. */
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
