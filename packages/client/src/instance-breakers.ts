import { randomUUID } from 'node:crypto'
import type { CircuitBreaker, Cluster, Endpoint, ServiceInstance, StateReport } from '@sd/core'

/** The circuit breakers of a service's instances. */
export interface InstanceBreakers {
  /** The breaker of an endpoint. */
  of(endpoint: Endpoint): CircuitBreaker
  /** The breaker of an instance that was called. */
  find(instanceId: string): CircuitBreaker | undefined
  /** How they are now. */
  report(): Iterable<StateReport>
  /** Lets go of all endpoints. */
  close(): void
}

interface Guarded {
  readonly breaker: CircuitBreaker
  /** Lets go of the endpoint. */
  readonly end: () => void
}

/** Those of instances that are gone are dropped when there are so many more breakers than endpoints. */
const spare = 16

/**
 * Makes a breaker for each endpoint that is called. An endpoint whose breaker is open or isolated is blocked, so that it is not picked; while
 * it is half-open it is picked, and the breaker lets the trials through.
 */
export function createInstanceBreakers(cluster: Cluster, make: (instance: ServiceInstance) => CircuitBreaker): InstanceBreakers {
  const guarded = new Map<Endpoint, Guarded>()
  // Of its own, because several clients may share an endpoint.
  const reason = `breaker of client ${randomUUID().slice(0, 8)}`

  function guard(endpoint: Endpoint): Guarded {
    if (guarded.size >= 2 * cluster.view.endpoints.length + spare) dropGone()
    const breaker = make(endpoint.instance)
    const follow = (): void => {
      const refuses = breaker.state === 'open' || breaker.state === 'isolated'
      if (refuses) endpoint.block(reason)
      else endpoint.unblock(reason)
    }
    const stop = breaker.onStateChange(follow)
    follow()
    const end = (): void => {
      stop()
      endpoint.unblock(reason)
    }
    const made = { breaker, end }
    guarded.set(endpoint, made)
    return made
  }

  function dropGone(): void {
    const known = new Set(cluster.view.candidates ?? cluster.view.endpoints)
    for (const [endpoint, { end }] of guarded) {
      if (known.has(endpoint) || endpoint.active > 0) continue
      guarded.delete(endpoint)
      end()
    }
  }

  return {
    of: (endpoint) => (guarded.get(endpoint) ?? guard(endpoint)).breaker,
    find(instanceId) {
      for (const [endpoint, { breaker }] of guarded) if (endpoint.instance.id === instanceId) return breaker
      return undefined
    },
    *report() {
      for (const [{ instance }, { breaker }] of guarded) {
        const { service, id: instanceId } = instance
        yield { kind: 'breaker', breaker: breaker.name, service, instanceId, state: breaker.state }
      }
    },
    close() {
      for (const { end } of guarded.values()) end()
      guarded.clear()
    },
  }
}
