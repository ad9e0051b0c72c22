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
  /** The label of a request, such as `lanes.label`; `undefined` for the base. Quick and synchronous, must not throw. */
  readonly label: (request: CallPickRequest) => string | undefined
  /** Metadata key in which an instance names its subset; without it the instance is of the base. @default 'lane' */
  readonly metadataKey?: string
  /** Where a request goes whose subset has no instance that may be picked: to the base, or nowhere. @default 'base' */
  readonly fallback?: 'base' | 'none'
}

/**
 * Sends a request to the instances that its label names, and to the base without a label. Wraps any balancer.
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
  return {
    name: `subset-${inner.name}`,
    createPicker(view, previous) {
      const before = previous instanceof SubsetPicker && previous.owner === owner ? previous : undefined
      return new SubsetPicker(view, { owner, inner, label, subsetOf, fallsBack: fallback === 'base', before })
    },
  }
}
