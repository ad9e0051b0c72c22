import {
  CONNECTION_OPTIONS,
  checkDnsLabel,
  type KubernetesConnectionOptions,
  type ResolvedKubernetesConnectionOptions,
  resolveKubernetesConnectionOptions,
} from '@sd/connection-kubernetes'
import { checkBoolean, checkDuration, checkKnownKeys, checkName, checkObject, checkText, invalidError } from '@sd/core'

/** Options of `createKubernetesRegistry`. It finds and registers instances in one namespace. */
export interface KubernetesRegistryOptions extends KubernetesConnectionOptions {
  /** Finds only EndpointSlices with these labels, such as `team=a,tier!=test`. @default '' */
  readonly labelSelector?: string
  /** Labels of the EndpointSlices that registrations create. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /**
   * Named port that is used for found instances if their Service has it, and that registrations create. @default 'http'
   * for finding, no name for registering
   */
  readonly portName?: string
  /**
   * Time to live without renewal, in milliseconds, for instances that do not set their own. Rounded up to seconds, at
   * least 2. @default 15_000
   */
  readonly ttlMs?: number
  /** Whether to register instances; `false` only finds them. @default true */
  readonly enabled?: boolean
  /** Name of this registry in logs and metrics. @default 'kubernetes' */
  readonly name?: string
}

/** Options with defaults applied. */
export interface ResolvedKubernetesRegistryOptions extends ResolvedKubernetesConnectionOptions {
  readonly labelSelector: string
  readonly labels: Readonly<Record<string, string>>
  readonly portName: string | undefined
  readonly ttlMs: number
  readonly enabled: boolean
}

const keys = [...CONNECTION_OPTIONS, 'labelSelector', 'labels', 'portName', 'ttlMs', 'enabled', 'name']
const labelKey = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/
const labelValue = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/

/** Whether a text is a valid label value in Kubernetes. */
export function isLabelValue(text: string): boolean {
  return labelValue.test(text)
}

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveKubernetesRegistryOptions(options: KubernetesRegistryOptions): ResolvedKubernetesRegistryOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { portName } = options
  return {
    ...resolveKubernetesConnectionOptions(options, checkName('name', options.name ?? 'kubernetes')),
    labelSelector: checkText('labelSelector', options.labelSelector ?? '', 2_048),
    labels: checkLabels(options.labels ?? {}),
    portName: portName === undefined ? undefined : checkDnsLabel('portName', portName),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    enabled: checkBoolean('enabled', options.enabled ?? true),
  }
}

function checkLabels(value: unknown): Readonly<Record<string, string>> {
  const labels = checkObject('labels', value)
  for (const [key, label] of Object.entries(labels)) {
    if (!labelKey.test(key)) throw invalidError('labels', key, 'valid label keys of Kubernetes')
    if (typeof label !== 'string' || !isLabelValue(label))
      throw invalidError(`labels.${key}`, label, 'a valid label value of Kubernetes')
  }
  return labels as Readonly<Record<string, string>>
}
