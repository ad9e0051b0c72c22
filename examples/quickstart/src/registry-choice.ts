import { invalidError } from '@sd/core'
import { parseRegistryUrl, type RegistryConfig } from '@sd/registry'

/** The registry that `--registry` names. */
export interface RegistryChoice {
  /** Its URL without user, password and options. */
  readonly address: string
  /** What the URL says, with a lease that is short enough to see a kill. */
  readonly config: RegistryConfig
}

/** Lifetime of a lease, in milliseconds, unless the URL names another. A server may have its own minimum, such as ZooKeeper's 4 s. */
const leaseMs = 3_000

const leaseOptions: Readonly<Record<string, string>> = {
  consul: 'ttlMs',
  etcd: 'ttlMs',
  nacos: 'ttlMs',
  zookeeper: 'sessionTimeoutMs',
}

/**
 * Reads the value of `--registry`.
 *
 * @returns `undefined` for the registry in memory
 * @throws SdError `SD_INVALID` without the credentials of the URL
 */
export function readRegistry(url: string): RegistryChoice | undefined {
  const config = parseRegistryUrl(url)
  if (config.type === 'memory') return undefined
  if (config.type === 'kubernetes') {
    const want = 'another one: Kubernetes refuses loopback addresses, and the instances listen on 127.0.0.1 only'
    throw invalidError('--registry', 'kubernetes', want)
  }
  const option = Object.hasOwn(leaseOptions, config.type) ? leaseOptions[config.type] : undefined
  if (!option) throw invalidError('--registry', config.type, `one of memory, ${Object.keys(leaseOptions).join(', ')}`)
  return { address: withoutSecrets(url), config: { [option]: leaseMs, ...config } }
}

/** Cuts user, password and options out of the URLs in a text. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/:\/\/\S*@/g, '://').replaceAll(/\?[^\s']*/g, '')
}
