import type { Member } from './member.ts'

/** How long a member must be in a state before the selection changes. */
export interface Hysteresis {
  /** Minimum time unreachable, in milliseconds. */
  readonly failAfterMs: number
  /** Minimum time healthy, in milliseconds. */
  readonly returnAfterMs: number
}

/** Selects one of several members. */
export interface Selection {
  /** The selected member; absent before the first selection, or without candidates. */
  readonly current: Member | undefined
  /** Whether a member was selected since the start or the last {@link Selection.restart}. */
  readonly settled: boolean
  /** Resets the hysteresis: the next selection is the best healthy member. Until then the current one stays. */
  restart(): void
  /** Updates the selection. @param candidates in the order of preference */
  choose(candidates: readonly Member[], hysteresis: Hysteresis): void
}

/**
 * Creates a selection of the best healthy member, with hysteresis. The first selection waits for the first ping of
 * better members. A member that was never healthy is left at once.
 */
export function createSelection(): Selection {
  let current: Member | undefined
  let settled = false

  function chooseFirst(candidates: readonly Member[]): void {
    const best = candidates.find(({ health }) => health.state !== 'unreachable') ?? candidates[0]
    if (best?.health.state === 'unknown') return
    current = best
    settled = true
  }

  function revise(candidates: readonly Member[], { failAfterMs, returnAfterMs }: Hysteresis): void {
    if (!current) return
    const { state, changedAt, wasHealthy } = current.health
    const now = performance.now()
    const isHealthyFor = (member: Member, durationMs: number): boolean =>
      member.health.state === 'healthy' && now - member.health.changedAt >= durationMs
    if (state === 'healthy') {
      const better = candidates.slice(0, candidates.indexOf(current))
      current = better.find((member) => isHealthyFor(member, returnAfterMs)) ?? current
    } else if (!wasHealthy || now - changedAt >= failAfterMs) {
      current = candidates.find((member) => isHealthyFor(member, 0)) ?? current
    }
  }

  return {
    get current() {
      return current
    },
    get settled() {
      return settled
    },
    restart() {
      settled = false
    },
    choose(candidates, hysteresis) {
      if (settled) revise(candidates, hysteresis)
      else chooseFirst(candidates)
    },
  }
}
