import { invalidError } from '@sd/core'
import { parseRegistryUrl, type RegistryConfig } from '@sd/registry'

/** The registry given by `--registry`. */
export interface RegistryChoice {
  /** URL without user, password and options. */
  readonly address: string
  /** Configuration from the URL, with a lease that is short enough to show a kill. */
  readonly config: RegistryConfig
}

/** Lifetime of a lease, in milliseconds, unless the URL sets another. A server can have a minimum, such as 4 s in ZooKeeper. */
const leaseMs = 3_000

const leaseOptions: Readonly<Record<string, string>> = {
  consul: 'ttlMs',
  etcd: 'ttlMs',
  nacos: 'ttlMs',
  zookeeper: 'sessionTimeoutMs',
}

/**
 * Parses the value of `--registry`.
 *
 * @returns `undefined` for the registry in memory
 * @throws SdError `SD_INVALID` without the credentials of the URL
 */
export function readRegistry(url: string): RegistryChoice | undefined {
  const config = parseRegistryUrl(url)
  if (config.type === 'memory') return undefined
  if (config.type === 'kubernetes') {
    const want = 'another registry (Kubernetes rejects loopback addresses, and the instances listen only on 127.0.0.1)'
    throw invalidError('--registry', 'kubernetes', want)
  }
  const option = Object.hasOwn(leaseOptions, config.type) ? leaseOptions[config.type] : undefined
  if (!option) throw invalidError('--registry', config.type, `one of memory, ${Object.keys(leaseOptions).join(', ')}`)
  return { address: withoutSecrets(url), config: { [option]: leaseMs, ...config } }
}

/** Removes user, password and options from the URLs in a text. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/:\/\/\S*@/g, '://').replaceAll(/\?[^\s']*/g, '')
}
