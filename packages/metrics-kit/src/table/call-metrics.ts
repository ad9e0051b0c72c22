import type { MetricRows } from '../metric-definition.ts'

/** Metrics of calls, attempts and the effects of policies on them. */
export const callMetrics: MetricRows = {
  'calls.active': { kind: 'gauge', unit: '{call}', labels: ['service'], help: 'Calls in progress.' },
  calls: {
    kind: 'counter',
    unit: '{call}',
    labels: ['service', 'method', 'status'],
    help: 'Completed calls, by response status.',
  },
  'call.errors': {
    kind: 'counter',
    unit: '{error}',
    labels: ['service', 'code', 'origin'],
    help: 'Failed calls, by error code and origin of the error: caller, local, network or peer.',
  },
  'call.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['service', 'method', 'status_class'],
    help: 'Time from the start of a call to the end of the response body or to the failure.',
  },
  attempts: {
    kind: 'counter',
    unit: '{attempt}',
    labels: ['service', 'status'],
    perInstance: true,
    help: 'Completed attempts, by response status.',
  },
  'attempt.errors': {
    kind: 'counter',
    unit: '{error}',
    labels: ['service', 'code', 'origin'],
    help: 'Failed attempts, by error code and origin of the error: caller, local, network or peer.',
  },
  'attempt.latency': {
    kind: 'histogram',
    unit: 's',
    labels: ['service', 'status_class'],
    help: 'Time from the start of an attempt to the response headers or to the failure.',
  },
  'call.retries': {
    kind: 'counter',
    unit: '{retry}',
    labels: ['service', 'reason'],
    help: 'Retries, by the status or error code of the attempt before.',
  },
  'call.hedges': {
    kind: 'counter',
    unit: '{hedge}',
    labels: ['service'],
    help: 'Hedges: attempts started while another attempt was in progress.',
  },
  'call.hedge.delay': {
    kind: 'histogram',
    unit: 's',
    labels: ['service'],
    help: 'Time from the start of a call’s first attempt to the start of a hedge.',
  },
  'call.hedge.outcomes': {
    kind: 'counter',
    unit: '{call}',
    labels: ['service', 'winner'],
    help: 'Calls with a hedge, by the attempt whose response was used: first, hedge, or none if all failed.',
  },
  'call.collapses': {
    kind: 'counter',
    unit: '{call}',
    labels: ['service'],
    help: 'Calls that shared the response of an identical call in progress.',
  },
  'call.refusals': {
    kind: 'counter',
    unit: '{refusal}',
    labels: ['service', 'policy', 'name'],
    help: 'Calls and attempts that a policy rejected.',
  },
  'call.fallbacks': {
    kind: 'counter',
    unit: '{call}',
    labels: ['service', 'code'],
    help: 'Calls that returned a fallback, by the error code of the failure.',
  },
}
