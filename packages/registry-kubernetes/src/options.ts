import {
  checkBoolean,
  checkDuration,
  checkKnownKeys,
  checkName,
  checkObject,
  checkProvided,
  checkSecret,
  checkText,
  invalid,
  type Provided,
} from '@sd/core'

/** Options of `createKubernetesRegistry`. */
export interface KubernetesRegistryOptions {
  /**
   * Where the cluster is and how to log in: the path of a kubeconfig, its YAML text, or `'in-cluster'` for a Pod's service account. It is
   * read again when a login is refused.
   *
   * @default what kubectl uses: `KUBECONFIG`, `~/.kube/config`, then the service account
   */
  readonly kubeconfig?: string
  /** Name of the kubeconfig's context. @default its current one */
  readonly context?: string
  /** Bearer token instead of the kubeconfig's; a function is asked at every request. */
  readonly token?: Provided<string>
  /** Namespace to find and register in. @default the context's, else 'default' */
  readonly namespace?: string
  /** Finds only EndpointSlices with these labels, such as `team=a,tier!=test`. @default '' */
  readonly labelSelector?: string
  /** Labels of the EndpointSlices that registrations make. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** Named port that instances are found by, where their Service has it, and that registrations make. @default 'http' for finding, no name for registering */
  readonly portName?: string
  /** Lifetime of a lease without renewal for instances that name none, in milliseconds; rounded up to seconds, at least 2. @default 15_000 */
  readonly ttlMs?: number
  /** Limit of one operation, in milliseconds; a watch that is silent for three times as long is opened again. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Whether instances are registered; `false` finds only. @default true */
  readonly enabled?: boolean
  /** Name for logs and metrics. @default 'kubernetes' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface KubernetesSettings {
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
  readonly token: Provided<string> | undefined
  readonly namespace: string | undefined
  readonly labelSelector: string
  readonly labels: Readonly<Record<string, string>>
  readonly portName: string | undefined
  readonly ttlMs: number
  readonly operationTimeoutMs: number
  readonly enabled: boolean
  readonly name: string
}

const keys = [
  'kubeconfig',
  'context',
  'token',
  'namespace',
  'labelSelector',
  'labels',
  'portName',
  'ttlMs',
  'operationTimeoutMs',
  'enabled',
  'name',
]
const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const labelKey = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/
const labelValue = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/

/** Whether Kubernetes takes the text as the value of a label. */
export function isLabelValue(text: string): boolean {
  return labelValue.test(text)
}

/** Whether Kubernetes takes the text as the name of a Service, a port or a namespace. */
export function isDnsLabel(text: string): boolean {
  return dnsLabel.test(text)
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function readOptions(options: KubernetesRegistryOptions): KubernetesSettings {
  checkKnownKeys('', checkObject('options', options), keys)
  const { kubeconfig, context, token, namespace, portName } = options
  return {
    // The text may hold credentials: a wrong one is not shown.
    kubeconfig: kubeconfig === undefined ? undefined : checkKubeconfig(kubeconfig),
    context: context === undefined ? undefined : checkName('context', context),
    token: token === undefined ? undefined : checkProvided(token, (value) => checkSecret('token', value)),
    namespace: namespace === undefined ? undefined : checkDnsLabel('namespace', namespace),
    labelSelector: checkText('labelSelector', options.labelSelector ?? '', 2_048),
    labels: checkLabels(options.labels ?? {}),
    portName: portName === undefined ? undefined : checkDnsLabel('portName', portName),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
    enabled: checkBoolean('enabled', options.enabled ?? true),
    name: checkName('name', options.name ?? 'kubernetes'),
  }
}

function checkKubeconfig(value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value
  throw invalid('kubeconfig', typeof value, "a path, a YAML text or 'in-cluster'")
}

/** Returns `value` if it is a DNS label, else throws `SD_INVALID`. */
export function checkDnsLabel(field: string, value: unknown): string {
  if (typeof value === 'string' && isDnsLabel(value)) return value
  throw invalid(field, value, '1 to 63 lower-case letters, digits and inner hyphens')
}

function checkLabels(value: unknown): Readonly<Record<string, string>> {
  const labels = checkObject('labels', value)
  for (const [key, label] of Object.entries(labels)) {
    if (!labelKey.test(key)) throw invalid('labels', key, 'keys that Kubernetes takes')
    if (typeof label !== 'string' || !isLabelValue(label)) throw invalid(`labels.${key}`, label, 'a label value of Kubernetes')
  }
  return labels as Readonly<Record<string, string>>
}
