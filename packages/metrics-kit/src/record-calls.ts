import { originOf, type TelemetryCall, type TelemetryEvents } from '@sd/core'
import type { RecorderContext } from './recorder-context.ts'
import type { ValueSeries } from './series.ts'

// RFC 9110, RFC 5789 and the QUERY method. A peer can send any other method, so those share one label value.
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY'])

/** Records calls, attempts and the effects of policies on them. */
export function recordCalls({ series, listen, exemplarOf, instanceValue }: RecorderContext): void {
  const active = series.gauge('calls.active')
  const calls = series.counter('calls')
  const callErrors = series.counter('call.errors')
  const callDuration = series.histogram('call.duration')
  const attempts = series.counter('attempts')
  const attemptErrors = series.counter('attempt.errors')
  const attemptLatency = series.histogram('attempt.latency')
  const retries = series.counter('call.retries')
  const hedges = series.counter('call.hedges')
  const hedgeDelay = series.histogram('call.hedge.delay')
  const hedged = series.counter('call.hedge.outcomes')
  const collapses = series.counter('call.collapses')
  const refusals = series.counter('call.refusals')
  const fallbacks = series.counter('call.fallbacks')

  // Calls whose start was observed. A call that began earlier was never added to the active ones, so it is not subtracted.
  const started = new WeakMap<TelemetryCall, ValueSeries>()
  listen('sd:v1:call:start', ({ call }) => {
    started.set(call, active.add([call.service], 1))
  })
  listen('sd:v1:call:end', (event) => {
    const { call, status, error, durationMs } = event
    const { service } = call
    const method = methods.has(call.method) ? call.method : 'other'
    const countedAs = started.get(call)
    if (countedAs) countedAs.value -= 1
    started.delete(call)
    calls.add([service, method, status ?? 'none'])
    if (error) callErrors.add([service, error.code, originOf(error)])
    callDuration.observe([service, method, statusClass(event)], durationMs / 1_000, exemplarOf?.(event))
  })
  listen('sd:v1:attempt:end', (event) => {
    const { call, status, error, instanceId, durationMs, latencyMs = durationMs } = event
    const { service } = call
    series.noteService(service)
    attempts.add([service, status ?? 'none', ...instanceValue(instanceId)])
    if (error) attemptErrors.add([service, error.code, originOf(error)])
    attemptLatency.observe([service, statusClass(event)], latencyMs / 1_000, exemplarOf?.(event))
  })
  listen('sd:v1:call:retry', ({ call, status, error }) => retries.add([call.service, error?.code ?? status ?? 'none']))
  listen('sd:v1:call:hedge', ({ call, afterMs }) => {
    hedges.add([call.service])
    hedgeDelay.observe([call.service], afterMs / 1_000)
  })
  listen('sd:v1:call:hedged', ({ call, winner }) => hedged.add([call.service, winner]))
  listen('sd:v1:call:collapse', ({ call }) => collapses.add([call.service]))
  listen('sd:v1:call:refused', ({ call, policy, name }) => refusals.add([call.service, policy, name]))
  listen('sd:v1:call:fallback', ({ call, error }) => fallbacks.add([call.service, error.code]))
}

function statusClass({ status }: TelemetryEvents['sd:v1:call:end']): string {
  return status === undefined ? 'none' : `${Math.floor(status / 100)}xx`
}
