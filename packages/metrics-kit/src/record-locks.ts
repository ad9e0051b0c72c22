import type { RecorderContext } from './recorder-context.ts'
import type { ValueSeries } from './series.ts'

/** Maximum number of held locks that are measured. */
const maxHeld = 10_000

/** A lock that this process holds. */
interface Hold {
  /** When it was acquired, by `performance.now()`. */
  readonly since: number
  readonly countedIn: ValueSeries
}

/** Records locks. Keys are not labels, because there can be any number of them. */
export function recordLocks({ series, listen }: RecorderContext): void {
  const changes = series.counter('lock.state_changes')
  const held = series.gauge('locks.held')
  const holdTimes = series.histogram('lock.hold.duration')
  const holds = new Map<string, Hold>()
  listen('sd:v1:lock:state', ({ lock, key, token, state }) => {
    changes.add([lock, state])
    const id = JSON.stringify([lock, key, token])
    if (state === 'acquired') {
      // So that the first loss is an increase: Prometheus takes the first value of a series as its start.
      changes.add([lock, 'lost'], 0)
      if (holds.size < maxHeld) holds.set(id, { since: performance.now(), countedIn: held.add([lock], 1) })
      return
    }
    // One that was acquired before the start of the recorder was not added, so it is not subtracted.
    const hold = holds.get(id)
    if (!hold) return
    hold.countedIn.value -= 1
    holds.delete(id)
    holdTimes.observe([lock, state], (performance.now() - hold.since) / 1_000)
  })
}
