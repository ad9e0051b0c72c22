import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { EdgeTable } from './edge-table.ts'
import { EventJournal } from './event-journal.ts'
import { LifecycleWatch } from './lifecycle-events.ts'
import { SAMPLE_INTERVAL_MS, SampleHistory } from './sample-history.ts'
import { SlowCalls } from './slow-calls.ts'
import { createSystemMonitor, type SystemMonitor } from './system-monitor.ts'
import { watchTelemetry } from './telemetry-events.ts'

/** What an endpoint remembers of its process. */
export interface Recorder {
  readonly edges: EdgeTable
  readonly slow: SlowCalls
  readonly samples: SampleHistory
  readonly journal: EventJournal
  readonly system: SystemMonitor
  /** Stops recording. Idempotent. */
  close(): void
}

/** Counts calls, and samples the process once a second, until it is closed. @param historyMs how long samples are kept */
export function createRecorder(historyMs: number): Recorder {
  const edges = new EdgeTable()
  const slow = new SlowCalls()
  const samples = new SampleHistory(Math.ceil(historyMs / SAMPLE_INTERVAL_MS))
  const journal = new EventJournal()
  const system = createSystemMonitor()
  const events = watchTelemetry(journal)
  const lifecycles = new LifecycleWatch(journal)
  const ends = [...countCalls(edges, slow), events.close, system.close]

  const timer = setInterval(() => {
    edges.tick()
    slow.tick()
    samples.add(system.sample(), edges.totals())
    events.tick()
    lifecycles.tick()
    journal.tick()
  }, SAMPLE_INTERVAL_MS)
  timer.unref()
  return {
    edges,
    slow,
    samples,
    journal,
    system,
    close() {
      clearInterval(timer)
      for (const end of ends.splice(0)) end()
    },
  }
}

/** Subscribes to the events of calls. Their cost is paid by every call, so they only count. @returns functions that end it */
function countCalls(edges: EdgeTable, slow: SlowCalls): (() => void)[] {
  return [
    subscribeTelemetry('sd:v1:call:end', (event) => {
      const failure = failureOf(event)
      edges.call(event.call.service, event.durationMs, failure)
      slow.call(event, failure !== undefined)
    }),
    subscribeTelemetry('sd:v1:attempt:end', (event) => {
      const { call, instanceId, latencyMs = event.durationMs } = event
      edges.attempt(call.service, instanceId, latencyMs, failureOf(event))
      slow.attempt(call, instanceId)
    }),
    subscribeTelemetry('sd:v1:call:retry', ({ call }) => edges.retry(call.service)),
    subscribeTelemetry('sd:v1:call:hedge', ({ call }) => edges.hedge(call.service)),
    subscribeTelemetry('sd:v1:call:refused', ({ call, policy, name }) => edges.refusal(call.service, `${policy} ${name}`)),
  ]
}

function failureOf({ error, status }: TelemetryEvents['sd:v1:call:end']): string | undefined {
  if (error !== undefined) return error.code
  return status !== undefined && status >= 500 ? 'HTTP 5xx' : undefined
}
