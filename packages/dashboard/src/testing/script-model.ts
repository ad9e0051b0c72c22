import type { FleetChange, FleetEdge, FleetInstance, FleetModel, FleetService, Problem, Traffic } from '@sd/fleet'
import { type Fault, moving, quiet, type Script, traffic } from './script.ts'
import { processesOf } from './script-processes.ts'

const callers = ['shop-0', 'reports', 'orders-0', 'orders-1']

function instanceOf(script: Script, service: string, index: number, rest: Partial<FleetInstance> = {}): FleetInstance {
  const instanceId = `${service}-${index}`
  return {
    instanceId,
    origin: `http://10.0.0.${index + 5}:8080`,
    health: 'healthy',
    version: '1.4.0',
    zone: index % 2 === 0 ? 'eu-1' : 'eu-2',
    weight: 1,
    tags: ['blue'],
    metadata: { team: 'checkout', note: script.hostile || 'none' },
    createdAt: script.startsAt - 3_600_000,
    traffic: traffic(moving(24, script.at, index), 19),
    processId: `p-${instanceId}`,
    views: callers
      .filter((caller) => !caller.startsWith(service))
      .slice(0, 2)
      .map((caller) => ({ caller, processId: `p-${caller}`, gets: true, latencyMs: 20, at: script.at, active: index })),
    ...rest,
  }
}

function stockInstances(script: Script): readonly FleetInstance[] {
  const since = script.faults.get('unhealthy')
  const views = ['shop-0', 'orders-0', 'orders-1', 'orders-2'].map((caller) => ({
    caller,
    processId: `p-${caller}`,
    latencyMs: 4,
    at: script.at,
    active: 0,
  }))
  return [
    instanceOf(script, 'stock', 0, {
      traffic: traffic(moving(146, script.at, 3), 1.3),
      views: views.map((view) => ({ ...view, gets: true })),
    }),
    instanceOf(script, 'stock', 1, {
      views: views.map((view) => (since === undefined ? { ...view, gets: true } : { ...view, gets: false, reason: 'health' })),
      traffic: since === undefined ? traffic(moving(146, script.at, 5), 1.4) : quiet,
      ...(since !== undefined && { health: 'unhealthy', healthMessage: 'no disk', healthSince: since }),
    }),
  ]
}

function servicesOf(script: Script): readonly FleetService[] {
  const { faults, at, hostile } = script
  const slow = faults.has('slow')
  const service = (name: string, instances: readonly FleetInstance[], rest: Partial<FleetService>): FleetService => ({
    service: name,
    instances,
    versions: [...new Set(instances.flatMap(({ version = '' }) => version))],
    isRegistered: true,
    needs: [],
    traffic: quiet,
    calledBy: [],
    ...rest,
  })
  const orders = [0, 1, 2].map((index) =>
    instanceOf(script, 'orders', index, index === 2 && slow ? { traffic: traffic(moving(24, at, 2), 190) } : {}),
  )
  return [
    service('orders', orders, {
      traffic: traffic(moving(97, at, 1), slow ? 31 : 22),
      calledBy: ['shop', 'reports'],
      needs: ['stock'],
    }),
    service('shop', [instanceOf(script, 'shop', 0, { views: [], traffic: quiet })], { needs: ['orders', 'stock'] }),
    service('stock', stockInstances(script), { traffic: traffic(moving(292, at, 2), 1.4), calledBy: ['shop', 'orders'] }),
    service(`catalog${hostile}`, [instanceOf(script, 'catalog', 0), instanceOf(script, 'catalog', 1)], {
      traffic: traffic(moving(12, at, 4), 8),
      calledBy: ['shop'],
    }),
    ...Array.from({ length: script.more.services }, (_, index) =>
      service(`service-${index}`, [instanceOf(script, `service-${index}`, 0), instanceOf(script, `service-${index}`, 1)], {
        traffic: traffic(moving(10 + (index % 40), at, index), 5 + (index % 17)),
        calledBy: [`service-${(index * 7 + 1) % script.more.services}`],
      }),
    ),
  ]
}

function edgesOf(script: Script): readonly FleetEdge[] {
  const { at, faults, hostile } = script
  const edge = (from: string, to: string, calls: Traffic, kind: FleetEdge['kind'] = 'both'): FleetEdge => ({
    from,
    to,
    kind,
    traffic: calls,
  })
  const refused = faults.has('breaker')
    ? traffic(moving(48, at, 6), 25, 0.22, { SD_REJECTED: 640, 'HTTP 503': 22 })
    : traffic(moving(48, at, 6), 25)
  return [
    edge('shop', 'orders', traffic(moving(48, at, 7), 25)),
    edge('reports', 'orders', refused, 'observed'),
    edge('orders', 'stock', traffic(moving(97, at, 8), 1.4)),
    edge('shop', 'stock', traffic(moving(48, at, 9), 1.3)),
    edge('shop', `catalog${hostile}`, traffic(moving(12, at, 10), 8), 'observed'),
    edge('shop', 'payments', quiet, 'declared'),
    ...Array.from({ length: script.more.services }, (_, index) =>
      edge(`service-${(index * 7 + 1) % script.more.services}`, `service-${index}`, traffic(moving(10, at, index), 5)),
    ),
  ]
}

function problemsOf({ faults, startsAt, hostile }: Script): readonly Problem[] {
  const found: Problem[] = []
  const add = (fault: Fault, problem: Omit<Problem, 'id' | 'since'>): void => {
    const since = faults.get(fault)
    if (since !== undefined) found.push({ id: fault, since, ...problem })
  }
  add('unhealthy', {
    rule: 'unhealthy',
    severity: 'critical',
    about: { service: 'stock', instanceId: 'stock-1' },
    text: `stock-1 gets nothing from all 4 callers: its registration says unhealthy, “no disk”${hostile}`,
    evidence: ['1 of 2 instances of stock is healthy', 'its own health reporter failed the check “disk”'],
    next: 'Free space on its disk. It gets traffic again once the check passes.',
  })
  add('slow', {
    rule: 'slow-instance',
    severity: 'warning',
    about: { service: 'orders', instanceId: 'orders-2' },
    text: 'orders-2 is 10 × slower than the median of orders',
    evidence: [
      'p99 608 ms against 61 ms, over 1,440 attempts',
      'its event loop is delayed by 180 ms',
      'stock, which it calls, is not slower',
    ],
    next: 'Look at what orders-2 computes: its event loop is busy.',
  })
  add('breaker', {
    rule: 'breaker-open',
    severity: 'critical',
    about: { service: 'orders' },
    text: 'The breaker of reports for orders is open: its calls are refused',
    evidence: ['640 calls refused in the last minute', 'orders.yaml changed 12 s before it opened'],
    next: 'Undo the last change of orders.yaml, or wait until orders responds.',
  })
  add('silent', {
    rule: 'silent-process',
    severity: 'warning',
    about: { processId: 'p-cron' },
    text: 'cron does not answer at 10.0.0.12:9465',
    evidence: ['no answer within 1,000 ms'],
  })
  add('stale', {
    rule: 'registry-stale',
    severity: 'warning',
    about: {},
    text: 'The registry consul is unreachable: the last known instances are used',
    evidence: ['connect ECONNREFUSED 127.0.0.1:8500'],
  })
  return [
    ...found,
    {
      id: 'not-declared',
      rule: 'not-declared',
      severity: 'info',
      about: { service: 'orders' },
      text: 'reports calls orders, and does not declare that it needs it',
      evidence: [],
      since: startsAt - 240_000,
    },
  ]
}

function changesOf({ faults, startsAt, hostile }: Script): readonly FleetChange[] {
  const change = (id: string, at: number, rest: Omit<FleetChange, 'id' | 'at'>): FleetChange => ({ id, at, ...rest })
  const breaker = faults.get('breaker')
  const unhealthy = faults.get('unhealthy')
  return [
    ...(breaker === undefined
      ? []
      : [
          change('breaker', breaker, {
            kind: 'breaker',
            about: { service: 'orders', processId: 'p-reports' },
            text: 'breaker of reports for orders: closed to open',
            severity: 'critical',
          }),
          change('config', breaker - 12_000, {
            kind: 'config',
            about: { config: 'orders.yaml' },
            text: `orders.yaml: version 3 to 4${hostile}`,
            severity: 'info',
            by: 'bob',
          }),
        ]),
    ...(unhealthy === undefined
      ? []
      : [
          change('health', unhealthy, {
            kind: 'health',
            about: { service: 'stock', instanceId: 'stock-1' },
            text: 'stock-1: healthy to unhealthy, “no disk”',
            severity: 'warning',
          }),
        ]),
    change('joined', startsAt - 200_000, {
      kind: 'instance',
      about: { service: 'orders', instanceId: 'orders-2' },
      text: 'orders-2 joined orders',
      severity: 'info',
    }),
    change('lock', startsAt - 250_000, {
      kind: 'lock',
      about: { processId: 'p-reports' },
      text: 'reports holds the lock nightly',
      severity: 'info',
    }),
  ].sort((a, b) => b.at - a.at)
}

/** The model of a moment. */
export function modelOf(script: Script): FleetModel {
  const staleSince = script.faults.get('stale')
  return {
    at: script.at,
    registry: {
      name: 'consul',
      url: 'consul://127.0.0.1:8500',
      isKnown: true,
      ...(staleSince !== undefined && { staleSince }),
    },
    services: servicesOf(script),
    processes: processesOf(script),
    edges: edgesOf(script),
    problems: problemsOf(script),
    changes: changesOf(script),
    omitted: { services: 0, instances: 0, processes: 0, edges: 0, problems: 0 },
  }
}
