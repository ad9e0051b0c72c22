/** How often it is looked whether this process runs, while anything wants to know, in milliseconds. */
const tickMs = 20
/** From here on a timer that is late says that this process stood still, in milliseconds. */
const lateMs = 20

/** What wants to know how long this process stands still. */
export interface LoopFollower {
  /** Whether it still does. Asked at every tick: once it says no, it has to follow again. */
  readonly isBusy: boolean
}

const followers = new Set<LoopFollower>()
let timer: ReturnType<typeof setInterval> | undefined
/** By which timers it ticks: tests put others in their place, and what was set by the old ones never fires. */
let timers: typeof setInterval | undefined
let tickedAt = 0
let stoodStill = 0

/**
 * Has the time counted for which this process stands still, because something blocks its event loop or the machine gives it no processor. One timer for all who
 * follow; it keeps nothing alive, and ends with the last of them.
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
 * For how long this process has stood still while it was followed, in milliseconds: the difference of two readings is what went by in vain between
 * them. A loop that is always a little late has not stood still.
 */
export function readStandstillMs(nowMs: number): number {
  if (timer === undefined || timers !== globalThis.setInterval) return stoodStill
  const overdueMs = nowMs - tickedAt - tickMs
  return overdueMs >= lateMs ? stoodStill + overdueMs : stoodStill
}

function tick(): void {
  const now = performance.now()
  stoodStill = readStandstillMs(now)
  tickedAt = now
  for (const follower of followers) if (!follower.isBusy) followers.delete(follower)
  if (followers.size > 0) return
  clearInterval(timer)
  timer = undefined
}

/**
 * Judges that a time limit is over. A timer that is late fires before what came in meanwhile was read: then it is read first, so that a response that
 * lies ready is no timeout.
 *
 * @param dueAtMs when the timer was to fire, by `performance.now()`
 */
export function judgeLimit(dueAtMs: number, nowMs: number, judge: () => void): void {
  if (nowMs - dueAtMs >= lateMs && typeof setImmediate === 'function') setImmediate(judge)
  else judge()
}
