import {
  type Balancer,
  type CallPickRequest,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  type ServiceInstance,
} from '@sd/core'
import { SubsetPicker } from './subset-picker.ts'

/** Options of {@link createSubsetBalancer}. */
export interface SubsetBalancerOptions {
  /** Picks within a subset. */
  readonly balancer: Balancer
  /**
   * Returns the label of a request, such as `lanes.label`; `undefined` means the base. It must be fast and synchronous, and
   * must not throw.
   */
  readonly label: (request: CallPickRequest) => string | undefined
  /** Metadata key of an instance's subset. An instance without it is in the base. @default 'lane' */
  readonly metadataKey?: string
  /** Where a request goes if its subset has no available instance: to the base, or nowhere. @default 'base' */
  readonly fallback?: 'base' | 'none'
}

/**
 * Sends a request to the instances in the subset of its label; without a label, to the base. Wraps any balancer.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createSubsetBalancer(options: SubsetBalancerOptions): Balancer {
  checkKnownKeys('', checkObject('options', options), ['balancer', 'label', 'metadataKey', 'fallback'])
  const { balancer: inner } = options
  checkFunction('balancer.createPicker', checkObject('balancer', inner)['createPicker'] as Balancer['createPicker'])
  const label = checkFunction('label', options.label)
  const metadataKey = checkName('metadataKey', options.metadataKey ?? 'lane')
  const fallback = checkOneOf('fallback', options.fallback ?? 'base', ['base', 'none'])
  const subsetOf = ({ metadata }: ServiceInstance): string =>
    Object.hasOwn(metadata, metadataKey) ? (metadata[metadataKey] as string) : ''
  const owner = {}
  const name = `subset-${inner.name}`
  return {
    name,
    createPicker(view, previous) {
      const before = previous instanceof SubsetPicker && previous.owner === owner ? previous : undefined
      return new SubsetPicker(view, { name, owner, inner, label, subsetOf, fallsBack: fallback === 'base', before })
    },
  }
}
