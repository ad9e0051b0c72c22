import type { StateReport } from '@sd/core'
import { type Line, type Style, styled } from '../output/view.ts'

/** What a state report is about, its state, and details. Reports of a newer version have the kind only. */
export interface StateWords {
  readonly what: string
  readonly state: Line
  readonly details: string
}

type Describe<Kind extends StateReport['kind']> = (report: Extract<StateReport, { readonly kind: Kind }>) => StateWords

const descriptions: { readonly [Kind in StateReport['kind']]: Describe<Kind> } = {
  backend: ({ backend, role = 'backend', state, lastError }) => ({
    what: `${role} ${backend}`,
    state: colour(state, state === 'connected' ? 'green' : 'yellow'),
    details: lastError?.message ?? '',
  }),
  registration: ({ registry, service, instanceId, state, lastError }) => ({
    what: `registration ${service}/${instanceId}`,
    state: colour(state, state === 'active' ? 'green' : 'yellow'),
    details: lastError?.message ?? `in ${registry}`,
  }),
  cluster: ({ service, eligible, instances, isPanic, staleForMs, out }) => {
    const total = Object.values(instances).reduce((sum, count) => sum + count, 0)
    const stale = staleForMs > 0 ? [`stale for ${Math.round(staleForMs / 1_000)} s`] : []
    return {
      what: `endpoints of ${service}`,
      state: isPanic ? colour('panic', 'red') : colour(`${eligible} of ${total}`, eligible === 0 ? 'red' : 'green'),
      details: [...(out > 0 ? [`${out} out`] : []), ...stale].join(', '),
    }
  },
  breaker: ({ breaker, service, instanceId, state, reason }) => ({
    what: `breaker ${breaker} of ${service}${instanceId === undefined ? '' : `/${instanceId}`}`,
    state: colour(state, state === 'closed' ? 'green' : 'yellow'),
    details: reason ?? '',
  }),
  limit: ({ limit, service, max, active, waiting }) => ({
    what: `limit ${limit} of ${service}`,
    state: colour(`${active} of ${Number.isFinite(max) ? Math.floor(max) : 'any'}`, waiting > 0 ? 'yellow' : 'green'),
    details: waiting > 0 ? `${waiting} waiting` : '',
  }),
  'retry-budget': ({ service, available }) => ({
    what: `retry budget of ${service}`,
    state: colour(`${Math.floor(available)} left`, available < 1 ? 'yellow' : 'green'),
    details: '',
  }),
  config: ({ config, version, staleSources, refusedSources }) => {
    const isWrong = staleSources.length + refusedSources.length > 0
    const wrong = [...staleSources.map((name) => `${name} unreachable`), ...refusedSources.map((name) => `${name} rejected`)]
    return {
      what: `config ${config}`,
      state: colour(`version ${version}`, isWrong ? 'yellow' : 'green'),
      details: wrong.join(', '),
    }
  },
  gateway: ({ gateway, version, isReady, requests, listeners }) => ({
    what: `gateway ${gateway}`,
    state: colour(isReady ? 'ready' : 'not ready', isReady ? 'green' : 'red'),
    details: `version ${version}, ${requests} requests, ${listeners.reduce((sum, { connections }) => sum + connections, 0)} connections`,
  }),
}

/** A state report in words. */
export function describeStateReport(report: StateReport): StateWords {
  const describe = descriptions[report.kind] as ((one: StateReport) => StateWords) | undefined
  return describe ? describe(report) : { what: report.kind, state: '', details: '' }
}

function colour(text: string, style: Style): Line {
  return styled(style, text)
}
