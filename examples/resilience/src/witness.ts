import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import type { Screen } from './screen.ts'
import { type CallEnd, createTally, type Tally } from './tally.ts'

/** Records the events of the policies. */
export interface Witness {
  /** State changes of breakers, oldest first. */
  readonly breakers: readonly TelemetryEvents['sd:v1:breaker:state'][]
  /** Ejections and restores of endpoints. */
  readonly ejections: readonly TelemetryEvents['sd:v1:endpoint:ejection'][]
  /** Starts and ends of panics. */
  readonly panics: readonly TelemetryEvents['sd:v1:cluster:panic'][]
  /** Records a completed call. */
  callEnded(end: CallEnd, latencyMs: number): void
  /** Counts calls and attempts while `work` runs. */
  during(work: () => Promise<void>): Promise<Tally>
  /** Stops recording. */
  close(): void
}

/** Subscribes to the telemetry channels, and shows the events. */
export function createWitness(screen: Screen): Witness {
  const breakers: TelemetryEvents['sd:v1:breaker:state'][] = []
  const ejections: TelemetryEvents['sd:v1:endpoint:ejection'][] = []
  const panics: TelemetryEvents['sd:v1:cluster:panic'][] = []
  const tallies = new Set<Tally>()
  /** Attempts since the last state change of a breaker, by breaker name. */
  const judged = new Map<string, { ok: number; failed: number }>()

  function judge(name: string, ok: boolean): void {
    const counts = judged.get(name) ?? { ok: 0, failed: 0 }
    judged.set(name, counts)
    if (ok) counts.ok++
    else counts.failed++
  }

  const subscriptions = [
    subscribeTelemetry('sd:v1:attempt:end', ({ call, instanceId, status, error }) => {
      for (const { attempts } of tallies) attempts.set(instanceId, (attempts.get(instanceId) ?? 0) + 1)
      const ok = error === undefined && status !== undefined && status < 500
      judge(call.service, ok)
      judge(`${call.service}/${instanceId}`, ok)
    }),
    subscribeTelemetry('sd:v1:breaker:state', (event) => {
      breakers.push(event)
      const { ok, failed } = judged.get(event.breaker) ?? { ok: 0, failed: 0 }
      judged.delete(event.breaker)
      const seen = `attempts since the last change: ${ok} succeeded, ${failed} failed`
      screen.event(`breaker ${event.breaker}: ${event.previous} → ${event.state} (${event.reason}); ${seen}`, event.state)
    }),
    subscribeTelemetry('sd:v1:endpoint:ejection', (event) => {
      ejections.push(event)
      const { instanceId, monitor, ejection } = event
      if (!ejection) screen.event(`${monitor}: ${instanceId} is restored`, 'closed')
      else screen.event(`${monitor}: ${instanceId} is out for ${ejection.forMs} ms (${ejection.reason})`, 'open')
    }),
    subscribeTelemetry('sd:v1:cluster:panic', (event) => {
      panics.push(event)
      const { service, isPanic, healthyShare } = event
      const what = isPanic ? 'panic begins, all instances are used' : 'panic ends'
      screen.event(`${service}: ${what} (${Math.round(healthyShare * 100)} % are healthy)`, isPanic ? 'open' : 'closed')
    }),
  ]

  return {
    breakers,
    ejections,
    panics,
    callEnded(end, latencyMs) {
      for (const tally of tallies) {
        tally.calls[end]++
        tally.latenciesMs.push(latencyMs)
      }
    },
    async during(work) {
      const tally = createTally()
      tallies.add(tally)
      await work()
      tallies.delete(tally)
      return tally
    },
    close() {
      for (const unsubscribe of subscriptions) unsubscribe()
    },
  }
}
