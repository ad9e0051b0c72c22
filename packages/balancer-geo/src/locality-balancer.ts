import { type Balancer, checkKnownKeys, checkName, checkObject, invalidError, type Locality } from '@sd/core'
import { type Grouping, resolveSpillOverOptions, type SpillOverOptions, spillOverKeys } from './spill-over.ts'
import { createSpillOverBalancer } from './spill-over-balancer.ts'

/** Options of {@link createLocalityBalancer}. */
export interface LocalityBalancerOptions extends SpillOverOptions {
  /** Locality of this process; at least one part. Only the given parts are compared. */
  readonly local: Locality
}

/** From the widest part to the narrowest. */
const parts = ['region', 'zone', 'subZone'] as const

/**
 * Prefers instances of the same sub-zone, then of the same zone, then of the same region, then any. Spills over to the next
 * level as Envoy does between its priority levels: with half of the local zone healthy, 70 % of the traffic stays.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLocalityBalancer(options: LocalityBalancerOptions): Balancer {
  checkKnownKeys('', checkObject('options', options), ['local', ...spillOverKeys])
  const local = checkLocal(options.local)
  const compared = parts.filter((part) => local[part] !== undefined)

  /** Number of equal parts, from the widest on. */
  function closeness(locality: Locality | undefined): number {
    const differs = compared.findIndex((part) => locality?.[part] !== local[part])
    return differs < 0 ? compared.length : differs
  }

  const grouping: Grouping = {
    nameOf: ({ instance }) => String(closeness(instance.locality)),
    prefer(groups) {
      const order = Uint32Array.from(groups.keys()).sort((a, b) => Number(groups[b]?.name) - Number(groups[a]?.name))
      return { order: () => order }
    },
  }
  return createSpillOverBalancer('locality', resolveSpillOverOptions(options), () => grouping)
}

function checkLocal(value: Locality): Locality {
  checkKnownKeys('local', checkObject('local', value), parts)
  for (const part of parts) if (value[part] !== undefined) checkName(`local.${part}`, value[part])
  if (parts.every((part) => value[part] === undefined)) throw invalidError('local', value, `at least one of ${parts.join(', ')}`)
  return { ...value }
}
