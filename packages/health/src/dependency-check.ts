import {
  type ClusterExplanation,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  checkServiceName,
  describeNoInstance,
  SdError,
  type StateReport,
} from '@sd/core'
import type { OwnHealthCheck } from './health-reporter-options.ts'

/** The part of a client that the check uses; `createServiceClient` of `@sd/client` returns one. */
export interface ExplainingClient {
  /** Returns which endpoints of a service get traffic, and the state of its policies. */
  explain(service: string): { readonly cluster: ClusterExplanation; readonly policies: readonly StateReport[] }
}

/** Options of {@link createDependencyCheck}. */
export interface DependencyCheckOptions {
  /** The client that calls the service. */
  readonly client: ExplainingClient
  /** The called service. */
  readonly service: string
  /**
   * Effect of a failure. Use `readiness` only for a service without which this one can do nothing at all: see
   * {@link createDependencyCheck}.
   *
   * @default 'informational'
   */
  readonly kind?: 'readiness' | 'informational'
  /** Name of the check, up to 100 characters. @default `calls` followed by the service */
  readonly name?: string
}

/**
 * Creates a check for a health reporter that reports whether a service can be called, by what the client knows. It sends
 * nothing. It fails while no instance may get traffic, or while the service's breaker is open. Its details have the numbers
 * of instances.
 *
 * It is informational by default, and never a reason for a restart. If a called service fails, all processes that report
 * themselves unready because of it leave traffic in the same second. Then their callers find no instance and become unready
 * too, and the outage of one service becomes an outage of all. Responses that do not need the service, fallbacks and clear
 * errors are better than no responses.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createDependencyCheck(options: DependencyCheckOptions): OwnHealthCheck {
  checkKnownKeys('', checkObject('options', options), ['client', 'service', 'kind', 'name'])
  const { client } = options
  checkFunction('client.explain', checkObject('client', client)['explain'] as () => void)
  const service = checkServiceName('service', options.service)
  const kind = checkOneOf('kind', options.kind ?? 'informational', ['readiness', 'informational'])
  const name = checkName('name', options.name ?? `calls ${service}`, 100)
  return {
    kind,
    check: {
      name,
      async run() {
        const { cluster, policies } = client.explain(service)
        const usable = cluster.endpoints.filter(({ dropped }) => dropped === undefined).length
        if (usable === 0) throw new SdError('SD_NO_INSTANCE', describeNoInstance(cluster))
        const refusing = policies.find((policy) => policy.kind === 'breaker' && !policy.instanceId && isRefusing(policy.state))
        if (refusing?.kind === 'breaker') {
          throw new SdError('SD_REJECTED', `The breaker ${refusing.breaker} of ${service} is ${refusing.state}`)
        }
        const out = cluster.endpoints.filter(({ outs }) => outs.length > 0).length
        return {
          details: {
            instances: String(cluster.endpoints.length),
            usable: String(usable),
            out: String(out),
            ...(cluster.isPanic && { panic: 'true' }),
            ...(cluster.staleSince !== undefined && { stale: 'true' }),
          },
        }
      },
    },
  }
}

function isRefusing(state: string): boolean {
  return state === 'open' || state === 'isolated'
}
