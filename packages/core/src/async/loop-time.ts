/** Interval at which the event loop is checked while a follower is busy, in milliseconds. */
const tickMs = 20
/** Delay of a timer from which this process has stood still, in milliseconds. */
const lateMs = 20

/** An object that needs to know how long this process stands still. */
export interface LoopFollower {
  /** Whether it still needs to know. Read at every tick; once it is false, the follower has to call `followLoop` again. */
  readonly isBusy: boolean
}

const followers = new Set<LoopFollower>()
let timer: ReturnType<typeof setInterval> | undefined
/** The `setInterval` that started the timer. Fake timers in tests replace it, and a timer of the old one never fires. */
let timers: typeof setInterval | undefined
let tickedAt = 0
let stalledMs = 0

/**
 * Measures how long this process stands still, because something blocks its event loop or the machine gives it no
 * processor. All followers share one timer. It does not keep the process alive, and it stops after the last follower.
 */
export function followLoop(follower: LoopFollower): void {
  if (timers !== globalThis.setInterval) followers.clear()
  followers.add(follower)
  if (timer !== undefined && timers === globalThis.setInterval) return
  timers = globalThis.setInterval
  tickedAt = performance.now()
  timer = setInterval(tick, tickMs)
  timer.unref?.()
}

/**
 * Returns how long this process has stood still while it was followed, in milliseconds. The difference of two readings is
 * the standstill between them. A loop that is always a little late has not stood still.
 */
export function readStandstillMs(now: number): number {
  if (timer === undefined || timers !== globalThis.setInterval) return stalledMs
  const overdueMs = now - tickedAt - tickMs
  return overdueMs >= lateMs ? stalledMs + overdueMs : stalledMs
}

function tick(): void {
  const now = performance.now()
  stalledMs = readStandstillMs(now)
  tickedAt = now
  for (const follower of followers) if (!follower.isBusy) followers.delete(follower)
  if (followers.size > 0) return
  clearInterval(timer)
  timer = undefined
}

/**
 * Runs `judge`, which decides whether a time limit has passed. A late timer fires before the process has read the data
 * that arrived in the meantime. In that case the data is read first, so that a response that has already arrived does not
 * become a timeout.
 *
 * @param dueAt when the timer should have fired, by `performance.now()`
 */
export function judgeLimit(dueAt: number, now: number, judge: () => void): void {
  if (now - dueAt >= lateMs && typeof setImmediate === 'function') setImmediate(judge)
  else judge()
}
