import type { FleetEdge, FleetInstance, FleetModel, FleetProcess, FleetService, Traffic } from '@sd/fleet'

/** When the example happens: noon, so that all times are of one day in every time zone. */
export const NOON: number = new Date(2026, 0, 31, 12).getTime()

const minute = 60_000
const none: Traffic = { total: 0, perSecond: 0, failedShare: 0, failed: {}, refused: {}, retries: 0 }

function trafficOf(perSecond: number, meanMs: number, p99Ms: number, failed: Readonly<Record<string, number>> = {}): Traffic {
  const total = perSecond * 60
  const count = Object.values(failed).reduce((sum, one) => sum + one, 0)
  return { ...none, total, perSecond, meanMs, p50Ms: meanMs, p99Ms, failed, failedShare: count / total }
}

function instanceOf(instanceId: string, address: string, more: Partial<FleetInstance> = {}): FleetInstance {
  return {
    instanceId,
    origin: `http://${address}`,
    health: 'healthy',
    healthSince: NOON - 60 * minute,
    version: '1.0.0',
    weight: 1,
    tags: [],
    metadata: {},
    createdAt: NOON - 60 * minute,
    traffic: none,
    views: [],
    ...more,
  }
}

function serviceOf(
  service: string,
  instances: readonly FleetInstance[],
  traffic: Traffic,
  calledBy: readonly string[],
): FleetService {
  return { service, isRegistered: true, instances, versions: ['1.0.0'], needs: [], traffic, calledBy }
}

function processOf(name: string, more: Partial<FleetProcess> = {}): FleetProcess {
  return {
    processId: `p-${name}`,
    name,
    services: [{ service: name.replace(/-\d$/, ''), instanceId: name }],
    address: 'http://10.0.0.1:9465',
    state: 'answers',
    since: NOON - 60 * minute,
    answeredAt: NOON,
    clockOffsetMs: 0,
    host: 'host-1',
    pid: 42,
    startedAt: NOON - 60 * minute,
    node: '24.1.0',
    packages: { '@sd/core': ['1.0.0'] },
    controls: ['breakers', 'draining', 'alerts'],
    system: {
      cpu: 0.11,
      residentBytes: 80 * 1_048_576,
      heapUsedBytes: 24 * 1_048_576,
      heapLimitBytes: 2_048 * 1_048_576,
      loopDelayMs: 2.4,
      uptimeMs: 60 * minute,
      databases: [{ database: 'postgres', isUp: true, latencyMs: 2 }],
    },
    states: [],
    lifecycles: [],
    health: [],
    configs: [],
    alerts: [],
    locks: [],
    gateways: [],
    ...more,
  }
}

const view = { processId: 'p-shop-0', caller: 'shop-0', latencyMs: 4, active: 0, at: NOON }

const stock = [
  instanceOf('stock-0', '10.0.1.1:9000', { traffic: trafficOf(146, 4, 9), views: [{ ...view, gets: true }] }),
  instanceOf('stock-1', '10.0.1.2:9000', {
    health: 'unhealthy',
    healthMessage: 'no disk',
    healthSince: NOON - 12 * minute,
    views: [{ ...view, gets: false, reason: 'unhealthy: no disk' }],
  }),
]
const orders = [0, 1, 2].map((index) =>
  instanceOf(`orders-${index}`, `10.0.0.${index + 1}:8080`, {
    traffic: trafficOf(24, index === 2 ? 74 : 20, index === 2 ? 151 : 60),
    processId: `p-orders-${index}`,
  }),
)
const toOrders = trafficOf(72, 38, 81, { SD_REJECTED: 43 })

const edges: readonly FleetEdge[] = [
  { from: 'orders', to: 'stock', kind: 'both', traffic: trafficOf(98, 3, 8) },
  { from: 'shop', to: 'mail "eu"', kind: 'declared', traffic: none },
  { from: 'shop', to: 'orders', kind: 'observed', traffic: toOrders },
  { from: 'shop', to: 'stock', kind: 'observed', traffic: trafficOf(48, 4, 9) },
]

const rule = {
  name: 'errors',
  metric: 'sd_client_failed_total',
  condition: '>',
  threshold: 1,
  durationMs: 60_000,
  severity: 'critical',
  channels: ['chat'],
  enabled: true,
}

const config = {
  config: 'orders',
  version: 3,
  updatedAt: NOON - 20 * minute,
  digest: 'd1',
  sources: [{ source: 'memory' }, { source: 'environment' }],
}

/** Everything of a fleet: an unhealthy instance, a slow one, an open breaker, an alert, a silence, a gateway that refused a document. */
export const exampleModel: FleetModel = {
  at: NOON,
  registry: { name: 'memory', url: 'memory', isKnown: true },
  services: [
    serviceOf('orders', orders, toOrders, ['shop']),
    serviceOf('shop', [instanceOf('shop-0', '10.0.2.1:80', { processId: 'p-shop-0' })], none, []),
    serviceOf('stock', stock, trafficOf(146, 4, 9), ['orders', 'shop']),
  ],
  processes: [
    processOf('edge-0', {
      services: [],
      controls: [],
      gateways: [
        {
          gateway: 'edge',
          version: 7,
          updatedAt: NOON - 5 * minute,
          isReady: true,
          listeners: [{ listener: 'public', host: '0.0.0.0', port: 8443, protocols: ['h2'], isSecure: true, connections: 4 }],
          routes: [
            { route: 'orders', match: 'GET /orders/*', action: 'orders', services: ['orders'], filters: ['rate-limit', 'cors'] },
            { route: 'shop', match: '/*', action: 'shop 90 %, shop-next 10 %', services: ['shop', 'shop-next'], filters: [] },
          ],
          omitted: 0,
          refused: {
            at: NOON - minute,
            error: { code: 'SD_INVALID', message: 'Invalid routes[3].path: "x", want a path', retryable: false },
          },
        },
      ],
    }),
    processOf('mail-0', {
      state: 'silent',
      since: NOON - 3 * minute,
      answeredAt: undefined,
      lastError: { code: 'SD_UNAVAILABLE', message: 'connect ECONNREFUSED 10.0.9.1:9465', retryable: true },
      system: undefined,
    }),
    ...[0, 1, 2].map((index) =>
      processOf(`orders-${index}`, {
        address: `http://10.0.0.${index + 1}:9465`,
        configs: [config],
        states: [
          { kind: 'backend', backend: 'consul', role: 'registry', state: 'connected' },
          {
            kind: 'config',
            config: 'orders',
            version: 3,
            updatedAt: config.updatedAt,
            staleSources: [],
            refusedSources: [],
            degradedForMs: 0,
          },
          { kind: 'retry-budget', service: 'stock', available: 30 },
        ],
      }),
    ),
    processOf('shop-0', {
      address: 'http://10.0.2.1:9465',
      clockOffsetMs: -4_000,
      packages: { '@sd/core': ['1.0.0', '1.2.0'], '@sd/client': ['1.0.0'] },
      states: [
        { kind: 'registration', registry: 'consul', service: 'shop', instanceId: 'shop-0', state: 'active' },
        {
          kind: 'cluster',
          service: 'stock',
          instances: { healthy: 1, unhealthy: 1, draining: 0, unknown: 0 },
          eligible: 1,
          ejected: 0,
          out: 1,
          isPanic: false,
          held: 0,
          staleForMs: 0,
          startedAt: 0,
          hits: 1,
          misses: 0,
          updates: 1,
        },
        { kind: 'breaker', breaker: 'orders', service: 'orders', state: 'open', since: NOON - minute, reason: 'failure-rate' },
        { kind: 'limit', limit: 'orders', service: 'orders', max: 20, active: 20, waiting: 3 },
      ],
      alerts: [
        {
          rules: [rule, { ...rule, name: 'panic', severity: 'warning', enabled: false }],
          alerts: [
            {
              id: 'a1',
              rule: 'errors',
              state: 'firing',
              severity: 'critical',
              labels: { service: 'orders' },
              condition: '>',
              threshold: 1,
              value: 4.5,
              activeAt: NOON - 4 * minute,
              isSilenced: false,
            },
          ],
          channels: [{ name: 'mail', waiting: 2, sent: 10, failed: 3, dropped: 0 }],
          silences: [{ id: 's1', rule: 'slow', endsAt: NOON + 60 * minute, comment: 'nightly run (ann)' }],
        },
      ],
    }),
  ],
  edges,
  problems: [
    {
      id: 'unhealthy stock-1',
      rule: 'unhealthy',
      severity: 'warning',
      about: { service: 'stock', instanceId: 'stock-1' },
      text: 'stock-1 of stock is unhealthy: no disk',
      evidence: ['1 of 2 instances of stock is healthy'],
      next: 'Look at its checks: sdctl instance stock stock-1',
      since: NOON - 12 * minute,
    },
    {
      id: 'slow orders-2',
      rule: 'slow-instance',
      severity: 'warning',
      about: { service: 'orders', instanceId: 'orders-2' },
      text: '3.7 × the median of its siblings; its own calls are not slower',
      evidence: [],
    },
  ],
  changes: [
    {
      id: 'c2',
      at: NOON - minute,
      kind: 'breaker',
      about: { service: 'orders', processId: 'p-shop-0' },
      text: 'The breaker of orders in shop-0 opened\u001b[2J',
      severity: 'warning',
    },
    {
      id: 'c1',
      at: NOON - 12 * minute,
      kind: 'health',
      about: { service: 'stock', instanceId: 'stock-1' },
      text: 'stock-1 of stock became unhealthy: no disk',
      severity: 'warning',
      by: 'ann',
    },
  ],
  omitted: { services: 0, instances: 0, processes: 0, edges: 0, problems: 0 },
}
