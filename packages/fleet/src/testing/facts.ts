import type { FleetEdge, FleetInstance, FleetModel, FleetProcess, FleetService, Traffic } from '../model.ts'
import type { Facts } from '../rules/rule.ts'
import { NO_TRAFFIC } from '../traffic/traffic-store.ts'

/** When everything in these facts happens. */
export const NOW = 1_800_000_000_000

/** Traffic of which all calls took `meanMs`. */
export function trafficOf(total: number, meanMs: number = 4, more: Partial<Traffic> = {}): Traffic {
  return { ...NO_TRAFFIC, total, perSecond: total / 60, meanMs, p50Ms: meanMs, p99Ms: meanMs, ...more }
}

/** A healthy instance. */
export function instanceOf(instanceId: string, more: Partial<FleetInstance> = {}): FleetInstance {
  return {
    instanceId,
    origin: 'http://10.0.0.1:80',
    health: 'healthy',
    healthSince: NOW - 3_600_000,
    weight: 1,
    tags: [],
    metadata: {},
    createdAt: NOW - 3_600_000,
    traffic: NO_TRAFFIC,
    views: [],
    ...more,
  }
}

/** A registered service. */
export function serviceOf(service: string, instances: readonly FleetInstance[], more: Partial<FleetService> = {}): FleetService {
  return {
    service,
    isRegistered: instances.length > 0,
    instances,
    versions: [],
    needs: [],
    traffic: NO_TRAFFIC,
    calledBy: [],
    ...more,
  }
}

/** A process that answers. */
export function processOf(name: string, more: Partial<FleetProcess> = {}): FleetProcess {
  return {
    processId: `id of ${name}`,
    name,
    services: [],
    address: `http://${name}:9465`,
    state: 'answers',
    since: NOW - 3_600_000,
    answeredAt: NOW,
    clockOffsetMs: 0,
    pid: 1,
    startedAt: NOW - 3_600_000,
    packages: {},
    controls: [],
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

/** An edge that was observed. */
export function edgeOf(from: string, to: string, more: Partial<FleetEdge> = {}): FleetEdge {
  return { from, to, kind: 'observed', traffic: NO_TRAFFIC, ...more }
}

/** A model of these parts. */
export function modelOf(parts: Partial<FleetModel> = {}): FleetModel {
  return {
    at: NOW,
    registry: { name: 'consul', url: '', isKnown: true },
    services: [],
    processes: [],
    edges: [],
    problems: [],
    changes: [],
    omitted: { services: 0, instances: 0, processes: 0, edges: 0, problems: 0 },
    ...parts,
  }
}

/** What rules judge. */
export function factsOf(parts: Partial<FleetModel> = {}, more: Partial<Facts> = {}): Facts {
  const model = modelOf(parts)
  return {
    now: model.at,
    model,
    services: new Map(model.services.map((service) => [service.service, service])),
    processes: new Map(model.processes.map((process) => [process.processId, process])),
    clashes: [],
    nameOf: (called) => called.replace(/:.*$/, ''),
    pair: () => NO_TRAFFIC,
    views: () => [],
    ...more,
  }
}
