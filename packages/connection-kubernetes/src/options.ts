import { checkProvided, checkSecret, type Provided } from '@sd/adapter-kit'
import { checkDuration, checkName, invalidError } from '@sd/core'

/** Options for connecting to Kubernetes, which all packages for Kubernetes share. */
export interface KubernetesConnectionOptions {
  /**
   * The kubeconfig: its path, its YAML text, or `'in-cluster'` for a Pod's service account. It is read again when a
   * login or a certificate is refused. The files that it names are read at every request.
   *
   * @default what kubectl uses: `KUBECONFIG`, `~/.kube/config`, then the service account
   */
  readonly kubeconfig?: string
  /** Name of the kubeconfig's context. @default its current one */
  readonly context?: string
  /** Bearer token instead of the kubeconfig's. A function is called for each request. */
  readonly token?: Provided<string>
  /** Namespace to use. @default the context's, else 'default' */
  readonly namespace?: string
  /**
   * Time limit of one operation, in milliseconds. A watch without data for three times this long is reopened. @default
   * 5_000
   */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, to detect unknown ones. */
export const CONNECTION_OPTIONS = ['kubeconfig', 'context', 'token', 'namespace', 'operationTimeoutMs'] as const

/** Options with defaults applied. */
export interface ResolvedKubernetesConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Path, YAML text, `'in-cluster'`, or `undefined` for what kubectl uses. */
  readonly kubeconfig: string | undefined
  /** Name of the kubeconfig's context. */
  readonly context: string | undefined
  /** Bearer token. */
  readonly token: Provided<string> | undefined
  /** Namespace, if not the context's. */
  readonly namespace: string | undefined
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
}

/**
 * Validates options and applies defaults. @param name the owner, for messages @throws SdError `SD_INVALID` that names
 * the option
 */
export function resolveKubernetesConnectionOptions(
  options: KubernetesConnectionOptions,
  name: string,
): ResolvedKubernetesConnectionOptions {
  const { kubeconfig, context, token, namespace } = options
  return {
    name,
    // The text may contain credentials, so an invalid one is not shown.
    kubeconfig: kubeconfig === undefined ? undefined : checkKubeconfig(kubeconfig),
    context: context === undefined ? undefined : checkName('context', context),
    token: token === undefined ? undefined : checkProvided(token, (value) => checkSecret('token', value)),
    namespace: namespace === undefined ? undefined : checkDnsLabel('namespace', namespace),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

function checkKubeconfig(value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value
  throw invalidError('kubeconfig', typeof value, "a path, a YAML string or 'in-cluster'")
}

const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Whether a text is a valid name of a Service, a port or a namespace. */
export function isDnsLabel(text: string): boolean {
  return dnsLabel.test(text)
}

/** Returns `value` if it is a DNS label. @throws SdError `SD_INVALID` that names the field */
export function checkDnsLabel(field: string, value: unknown): string {
  if (typeof value === 'string' && isDnsLabel(value)) return value
  throw invalidError(field, value, '1 to 63 lower-case letters, digits and inner hyphens')
}
