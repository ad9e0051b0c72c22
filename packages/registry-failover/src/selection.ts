import type { Member } from './member.ts'

/** How long a member must be in a state before it counts. */
export interface Hysteresis {
  /** How long away, in milliseconds. */
  readonly failAfterMs: number
  /** How long healthy, in milliseconds. */
  readonly returnAfterMs: number
}

/** Which of several members is used. */
export interface Selection {
  /** The member; absent until it was chosen for the first time, and where there is none to choose from. */
  readonly current: Member | undefined
  /** Whether a choice was made since the beginning or the last {@link Selection.restart}. */
  readonly settled: boolean
  /** Forgets the hysteresis: the next choice is the best healthy member. Until then the current one stays. */
  restart(): void
  /** Chooses again. @param candidates in the order of preference */
  choose(candidates: readonly Member[], hysteresis: Hysteresis): void
}

/**
 * Chooses the best healthy member, and is slow to change its mind. The first choice waits for the first answer of better members; a
 * member that never answered is left at once.
 */
export function createSelection(): Selection {
  let current: Member | undefined
  let settled = false

  function chooseFirst(candidates: readonly Member[]): void {
    const best = candidates.find(({ health }) => health.state !== 'away') ?? candidates[0]
    if (best?.health.state === 'unknown') return
    current = best
    settled = true
  }

  function revise(candidates: readonly Member[], { failAfterMs, returnAfterMs }: Hysteresis): void {
    if (!current) return
    const { state, changedAt, answered } = current.health
    const now = performance.now()
    const isHealthyFor = (member: Member, durationMs: number): boolean =>
      member.health.state === 'healthy' && now - member.health.changedAt >= durationMs
    if (state === 'healthy') {
      const better = candidates.slice(0, candidates.indexOf(current))
      current = better.find((member) => isHealthyFor(member, returnAfterMs)) ?? current
    } else if (!answered || now - changedAt >= failAfterMs) {
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
