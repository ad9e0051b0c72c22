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

/** What of a client the check needs: `createServiceClient` of `@sd/client` makes one. */
export interface ExplainingClient {
  /** Which endpoints of a service get traffic now, and how its policies are. */
  explain(service: string): { readonly cluster: ClusterExplanation; readonly policies: readonly StateReport[] }
}

/** Options of {@link createDependencyCheck}. */
export interface DependencyCheckOptions {
  /** Who calls the service. */
  readonly client: ExplainingClient
  /** The service that is called. */
  readonly service: string
  /**
   * What follows if it can't be called. Make it `readiness` only for a service without which this one can do nothing at all: see
   * {@link createDependencyCheck}.
   *
   * @default 'informational'
   */
  readonly kind?: 'readiness' | 'informational'
  /** Name of the check, up to 100 characters. @default `calls` and the service */
  readonly name?: string
}

/**
 * Makes a check for a health reporter that says whether a service can be called, by what the client knows: it sends nothing. It fails while no
 * instance may get traffic, or while the service's breaker is open. Its details count the instances.
 *
 * It is informational by default, and never a reason for a restart. A process that calls itself unready because of a service that it calls takes itself out of traffic,
 * and so do all others of its kind, in the same second: then their callers find no instance, call themselves unready too, and what was an
 * outage of one service becomes one of all. Answers that need not the service, fallbacks and clear errors are better than none.
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
