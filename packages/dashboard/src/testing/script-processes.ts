import type { AlertsAnswer, ConfigAnswer, GatewayAnswer, StateReport } from '@sd/core'
import type { FleetProcess } from '@sd/fleet'
import { moving, type Script } from './script.ts'

function statesOf(script: Script, name: string, service: string | undefined): readonly StateReport[] {
  const { at, startsAt, faults } = script
  const isReports = name === 'reports'
  const opened = faults.get('breaker')
  const breaker = isReports && opened !== undefined && script.breaker === 'open' ? 'open' : 'closed'
  return [
    { kind: 'backend', backend: 'consul', role: 'registry', state: 'connected', since: startsAt },
    ...(service === undefined
      ? []
      : [{ kind: 'registration', registry: 'consul', service, instanceId: name, state: 'active', since: startsAt } as const]),
    {
      kind: 'cluster',
      service: 'orders',
      instances: { healthy: 3, unhealthy: 0, draining: 0, unknown: 0 },
      eligible: 3,
      ejected: 0,
      out: 0,
      isPanic: false,
      held: 0,
      staleForMs: 0,
      startedAt: 0,
      hits: Math.floor(at / 1_000),
      misses: 1,
      updates: 3,
    },
    {
      kind: 'breaker',
      breaker: 'orders',
      service: 'orders',
      state: breaker,
      ...(isReports && opened !== undefined && { since: opened, reason: breaker === 'open' ? 'failures' : 'manual' }),
    } as StateReport,
    { kind: 'limit', limit: 'orders', service: 'orders', max: 20, active: 2, waiting: 0 },
    { kind: 'retry-budget', service: 'orders', available: 30 },
  ]
}

function alertsOf({ startsAt, faults, silences, at }: Script): AlertsAnswer {
  const since = faults.get('alert')
  return {
    evaluatedAt: at,
    rules: [
      {
        name: 'panic',
        metric: 'sd_breaker_state',
        condition: '==',
        threshold: 1,
        durationMs: 30_000,
        severity: 'critical',
        enabled: true,
      },
      {
        name: 'errors',
        metric: 'sd_calls_total',
        condition: '>',
        threshold: 0.05,
        severity: 'warning',
        channels: ['chat'],
        enabled: true,
      },
    ],
    alerts:
      since === undefined
        ? []
        : [
            {
              id: 'panic-stock',
              rule: 'panic',
              state: 'firing',
              severity: 'critical',
              labels: { service: 'stock' },
              condition: '==',
              threshold: 1,
              value: 1,
              activeAt: since,
              firingAt: since,
              isSilenced: silences.length > 0,
            },
          ],
    channels: [
      { name: 'chat', waiting: 0, sent: 4, failed: 0, dropped: 0 },
      { name: 'mail', waiting: 1, sent: 1, failed: 3, dropped: 0 },
    ],
    silences: [{ id: 's1', rule: 'errors', endsAt: startsAt + 3_600_000, comment: 'nightly run' }, ...silences],
  }
}

function gatewayOf({ startsAt }: Script): GatewayAnswer {
  return {
    gateway: 'edge',
    version: 7,
    updatedAt: startsAt - 600_000,
    isReady: true,
    listeners: [
      { listener: 'public', host: '0.0.0.0', port: 8443, protocols: ['h2', 'http/1.1'], isSecure: true, connections: 214 },
    ],
    routes: [
      {
        route: 'orders',
        match: 'api.example /orders/*',
        action: 'orders 90 %, orders-next 10 %',
        services: ['orders'],
        filters: ['cors', 'rate-limit'],
      },
      { route: 'stock', match: 'api.example /stock/*', action: 'stock', services: ['stock'], filters: ['auth-jwt'] },
    ],
    omitted: 0,
    refused: {
      at: startsAt - 120_000,
      error: {
        code: 'SD_INVALID',
        message: 'Invalid routes[3].to.service: got "ordrs", want a service of the table',
        retryable: false,
      },
    },
  }
}

function configOf({ startsAt }: Script, index: number): ConfigAnswer {
  return {
    config: 'orders.yaml',
    version: 3,
    updatedAt: startsAt - 500_000,
    digest: index === 2 ? 'd-old' : 'd-new',
    sources: [
      { source: 'file' },
      index === 2
        ? {
            source: 'etcd',
            stale: {
              since: startsAt - 1_680_000,
              error: { code: 'SD_UNAVAILABLE', message: 'connect ECONNREFUSED', retryable: true },
              isSnapshot: false,
            },
          }
        : { source: 'etcd' },
    ],
  }
}

function processOf(script: Script, name: string, service: string | undefined, index: number): FleetProcess {
  const { startsAt, at, faults, hostile } = script
  const silentSince = name === 'cron' ? faults.get('silent') : undefined
  const slow = faults.has('slow') && name === 'orders-2'
  return {
    processId: `p-${name}`,
    clockOffsetMs: 0,
    lifecycles: [],
    health: [],
    name,
    services: service === undefined ? [] : [{ service, instanceId: name }],
    address: `http://10.0.0.${index + 5}:9465`,
    state: silentSince === undefined ? 'answers' : 'silent',
    since: silentSince ?? startsAt - 60_000,
    ...(silentSince !== undefined && {
      lastError: {
        code: 'SD_TIMEOUT',
        message: `No answer of 10.0.0.${index + 5}:9465 within 1,000 ms ${hostile}`,
        retryable: true,
      },
    }),
    startedAt: startsAt - 3_600_000,
    node: 'v24.21.0',
    packages: { '@sd/core': ['1.0.0'], '@sd/client': ['1.0.0', '1.2.0'] },
    controls: ['breakers', 'alerts', 'draining'],
    system: {
      cpu: moving(slow ? 0.94 : 0.1 + (index % 9) / 40, at, index),
      residentBytes: 96 * 1_048_576 + index * 2_097_152,
      heapUsedBytes: moving(24 * 1_048_576, at, index),
      heapLimitBytes: 512 * 1_048_576,
      loopDelayMs: moving(slow ? 180 : 2, at, index),
      uptimeMs: at - startsAt + 3_600_000,
      databases:
        service === 'orders'
          ? [
              { database: 'postgresql', isUp: true, latencyMs: 2.4, details: { active: 4, idle: 6 } },
              { database: 'redis', isUp: index % 3 !== 2, latencyMs: 0.6 },
            ]
          : [],
    },
    states: statesOf(script, name, service),
    configs: service === 'orders' ? [configOf(script, index)] : [],
    alerts: name === 'shop-0' ? [alertsOf(script)] : [],
    locks:
      name === 'reports'
        ? [
            {
              lock: 'etcd',
              key: 'nightly',
              value: 'reports on 10.0.0.9',
              token: '18446744073709551615',
              since: startsAt - 900_000,
            },
          ]
        : [],
    gateways: name === 'edge' ? [gatewayOf(script)] : [],
  }
}

/** The processes of the script. */
export function processesOf(script: Script): readonly FleetProcess[] {
  const names: readonly (readonly [string, string | undefined])[] = [
    ['orders-0', 'orders'],
    ['orders-1', 'orders'],
    ['orders-2', 'orders'],
    ['shop-0', 'shop'],
    ['stock-0', 'stock'],
    ['stock-1', 'stock'],
    ['reports', undefined],
    ['cron', undefined],
    ['edge', undefined],
    ...Array.from({ length: script.more.processes }, (_, index): readonly [string, string] => {
      const service = `service-${index % Math.max(script.more.services, 1)}`
      return [`${service}-p${index}`, service]
    }),
  ]
  return names.map(([name, service], index) => processOf(script, name, service, index))
}
