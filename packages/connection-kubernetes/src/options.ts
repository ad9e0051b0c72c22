import { checkProvided, checkSecret, type Provided } from '@sd/adapter-kit'
import { checkDuration, checkName, invalidError } from '@sd/core'

/** How to reach Kubernetes: options that every package on it has. */
export interface KubernetesConnectionOptions {
  /**
   * Where the cluster is and how to log in: the path of a kubeconfig, its YAML text, or `'in-cluster'` for a Pod's service account. It is
   * read again when a login or a certificate is refused, and the files that it names at every request.
   *
   * @default what kubectl uses: `KUBECONFIG`, `~/.kube/config`, then the service account
   */
  readonly kubeconfig?: string
  /** Name of the kubeconfig's context. @default its current one */
  readonly context?: string
  /** Bearer token instead of the kubeconfig's; a function is asked at every request. */
  readonly token?: Provided<string>
  /** Namespace to work in. @default the context's, else 'default' */
  readonly namespace?: string
  /** Limit of one operation, in milliseconds; a watch that is silent for three times as long is opened again. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, for checks of unknown ones. */
export const CONNECTION_OPTIONS = ['kubeconfig', 'context', 'token', 'namespace', 'operationTimeoutMs'] as const

/** Options with their defaults filled in. */
export interface ResolvedKubernetesConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Path, YAML text, `'in-cluster'`, or what kubectl uses. */
  readonly kubeconfig: string | undefined
  /** Name of the kubeconfig's context. */
  readonly context: string | undefined
  /** Bearer token. */
  readonly token: Provided<string> | undefined
  /** Namespace to work in, if not the context's. */
  readonly namespace: string | undefined
  /** Limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
}

/** Checks the options of a connection. @param name the owner, for messages @throws SdError `SD_INVALID` that names the option */
export function resolveKubernetesConnectionOptions(
  options: KubernetesConnectionOptions,
  name: string,
): ResolvedKubernetesConnectionOptions {
  const { kubeconfig, context, token, namespace } = options
  return {
    name,
    // The text may hold credentials: a wrong one is not shown.
    kubeconfig: kubeconfig === undefined ? undefined : checkKubeconfig(kubeconfig),
    context: context === undefined ? undefined : checkName('context', context),
    token: token === undefined ? undefined : checkProvided(token, (value) => checkSecret('token', value)),
    namespace: namespace === undefined ? undefined : checkDnsLabel('namespace', namespace),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

function checkKubeconfig(value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value
  throw invalidError('kubeconfig', typeof value, "a path, a YAML text or 'in-cluster'")
}

const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Whether Kubernetes takes the text as the name of a Service, a port or a namespace. */
export function isDnsLabel(text: string): boolean {
  return dnsLabel.test(text)
}

/** Returns `value` if it is a DNS label. @throws SdError `SD_INVALID` that names the field */
export function checkDnsLabel(field: string, value: unknown): string {
  if (typeof value === 'string' && isDnsLabel(value)) return value
  throw invalidError(field, value, '1 to 63 lower-case letters, digits and inner hyphens')
}
