import { randomUUID } from 'node:crypto'
import {
  type CircuitBreaker,
  type Cluster,
  type Endpoint,
  judgeOutcome,
  type Permit,
  type ServiceInstance,
  type StateReport,
} from '@sd/core'
import { reportBreaker } from './report-breaker.ts'

/** The circuit breakers of a service's instances. */
export interface InstanceBreakers {
  /** The breaker of an endpoint. */
  of(endpoint: Endpoint): CircuitBreaker
  /**
   * A permit for an attempt on an endpoint that was picked; `undefined` if its breaker rejects it. In a panic breakers
   * do not reject: the endpoint was picked although it is blocked, because too few are left.
   */
  tryAcquire(endpoint: Endpoint): Permit | undefined
  /** A permit that is never rejected: for a call without an attempt so far, for which all available endpoints were rejected. */
  force(endpoint: Endpoint): Permit
  /** The breaker of an instance that was called. */
  find(instanceId: string): CircuitBreaker | undefined
  /** The states of the breakers. */
  report(): Iterable<StateReport>
  /** Releases all endpoints. */
  close(): void
}

interface Guarded {
  readonly breaker: CircuitBreaker
  /** Releases the endpoint. */
  readonly end: () => void
}

/** Breakers of removed instances are dropped once there are this many more breakers than endpoints. */
const spare = 16

/**
 * Creates a breaker for each endpoint that is called. An endpoint whose breaker is open is out: it is not picked except
 * in a panic, as for every other reason why an endpoint is out. A half-open endpoint is picked, and the breaker admits
 * the trials. An endpoint whose breaker is isolated is never picked: an operator decided so.
 */
export function createInstanceBreakers(cluster: Cluster, make: (instance: ServiceInstance) => CircuitBreaker): InstanceBreakers {
  const guarded = new Map<Endpoint, Guarded>()
  // Unique, because several clients may share an endpoint.
  const by = `breaker of client ${randomUUID().slice(0, 8)}`

  function guard(endpoint: Endpoint): Guarded {
    if (guarded.size >= 2 * cluster.view.endpoints.length + spare) dropRemoved()
    const breaker = make(endpoint.instance)
    const follow = (): void => {
      if (breaker.state === 'open') endpoint.block(by, { reason: 'breaker', detail: `${breaker.name} is open` })
      else if (breaker.state === 'isolated') endpoint.block(by, { reason: 'isolated', detail: `${breaker.name} is isolated` })
      else endpoint.unblock(by)
    }
    const stop = breaker.onStateChange(follow)
    follow()
    const end = (): void => {
      stop()
      endpoint.unblock(by)
    }
    const made = { breaker, end }
    guarded.set(endpoint, made)
    return made
  }

  function dropRemoved(): void {
    const known = new Set(cluster.view.candidates ?? cluster.view.endpoints)
    for (const [endpoint, { end }] of guarded) {
      if (known.has(endpoint) || endpoint.active > 0) continue
      guarded.delete(endpoint)
      end()
    }
  }

  function of(endpoint: Endpoint): CircuitBreaker {
    return (guarded.get(endpoint) ?? guard(endpoint)).breaker
  }

  return {
    of,
    tryAcquire(endpoint) {
      const breaker = of(endpoint)
      const permit = breaker.tryAcquire()
      if (permit) return permit
      return breaker.state === 'open' && endpoint.available ? createOverride(breaker) : undefined
    },
    force: (endpoint) => of(endpoint).tryAcquire() ?? createOverride(of(endpoint)),
    find(instanceId) {
      for (const [endpoint, { breaker }] of guarded) if (endpoint.instance.id === instanceId) return breaker
      return undefined
    },
    *report() {
      for (const [{ instance }, { breaker }] of guarded) {
        yield reportBreaker(instance.service, breaker, instance.id)
      }
    },
    close() {
      for (const { end } of guarded.values()) end()
      guarded.clear()
    },
  }
}

/**
 * A permit beside a breaker that rejects. Its result is newer than the state of an open breaker: the first success
 * closes the breaker, so that a panic ends as soon as the instances have recovered. Failures carry no new information.
 */
function createOverride(breaker: CircuitBreaker): Permit {
  return {
    settle(outcome) {
      if (breaker.state === 'open' && judgeOutcome(outcome) === 'success') breaker.close()
    },
  }
}
