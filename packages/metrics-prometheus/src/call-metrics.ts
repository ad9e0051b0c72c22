import { originOf, type TelemetryCall, type TelemetryEvents } from '@sd/core'
import { guardExemplars } from './exemplars.ts'
import type { MetricContext } from './metric-context.ts'
import type { GaugeValue } from './series.ts'

// RFC 9110, RFC 5789 and the QUERY method. A peer can send any other method, so those share one label value.
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY'])

/** Measures calls, attempts and the effects of policies on them. */
export function measureCalls({ series, listen, options, instanceName, instanceValue }: MetricContext): void {
  const { buckets } = options
  const exemplarOf = options.exemplar ? guardExemplars(options.exemplar, options.onError) : () => undefined
  const active = series.gauge({ name: 'calls_active', help: 'Calls in progress.', labelNames: ['service'] })
  const calls = series.counter({
    name: 'calls_total',
    help: 'Completed calls, by response status.',
    labelNames: ['service', 'method', 'status'],
  })
  const callErrors = series.counter({
    name: 'call_errors_total',
    help: 'Failed calls, by error code and origin of the error: caller, local, network or peer.',
    labelNames: ['service', 'code', 'origin'],
  })
  const callDuration = series.histogram({
    name: 'call_duration_seconds',
    help: 'Time from the start of a call to the end of the response body or to the failure.',
    labelNames: ['service', 'method', 'status_class'],
    buckets,
  })
  const attempts = series.counter({
    name: 'attempts_total',
    help: 'Completed attempts, by response status.',
    labelNames: ['service', 'status', ...instanceName],
  })
  const attemptErrors = series.counter({
    name: 'attempt_errors_total',
    help: 'Failed attempts, by error code and origin of the error: caller, local, network or peer.',
    labelNames: ['service', 'code', 'origin'],
  })
  const attemptLatency = series.histogram({
    name: 'attempt_latency_seconds',
    help: 'Time from the start of an attempt to the response headers or to the failure.',
    labelNames: ['service', 'status_class'],
    buckets,
  })
  const retries = series.counter({
    name: 'call_retries_total',
    help: 'Retries, by the status or error code of the attempt before.',
    labelNames: ['service', 'reason'],
  })
  const hedges = series.counter({
    name: 'call_hedges_total',
    help: 'Hedges: attempts started while another attempt was in progress.',
    labelNames: ['service'],
  })
  const collapses = series.counter({
    name: 'call_collapses_total',
    help: 'Calls that shared the response of an identical call in progress.',
    labelNames: ['service'],
  })
  const refusals = series.counter({
    name: 'call_refusals_total',
    help: 'Calls and attempts that a policy rejected.',
    labelNames: ['service', 'policy', 'name'],
  })
  const fallbacks = series.counter({
    name: 'call_fallbacks_total',
    help: 'Calls that returned a fallback, by the error code of the failure.',
    labelNames: ['service', 'code'],
  })

  // Calls whose start was observed. A call that began earlier was never added to the active ones, so it is not subtracted.
  const started = new WeakMap<TelemetryCall, GaugeValue>()
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
    callDuration.observe([service, method, statusClass(event)], durationMs / 1_000, exemplarOf(event))
  })
  listen('sd:v1:attempt:end', (event) => {
    const { call, status, error, instanceId, durationMs, latencyMs = durationMs } = event
    const { service } = call
    series.noteService(service)
    attempts.add([service, status ?? 'none', ...instanceValue(instanceId)])
    if (error) attemptErrors.add([service, error.code, originOf(error)])
    attemptLatency.observe([service, statusClass(event)], latencyMs / 1_000, exemplarOf(event))
  })
  listen('sd:v1:call:retry', ({ call, status, error }) => retries.add([call.service, error?.code ?? status ?? 'none']))
  listen('sd:v1:call:hedge', ({ call }) => hedges.add([call.service]))
  listen('sd:v1:call:collapse', ({ call }) => collapses.add([call.service]))
  listen('sd:v1:call:refused', ({ call, policy, name }) => refusals.add([call.service, policy, name]))
  listen('sd:v1:call:fallback', ({ call, error }) => fallbacks.add([call.service, error.code]))
}

function statusClass({ status }: TelemetryEvents['sd:v1:call:end']): string {
  return status === undefined ? 'none' : `${Math.floor(status / 100)}xx`
}
