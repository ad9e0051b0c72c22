import {
  CONNECTION_OPTIONS,
  type KubernetesConnectionOptions,
  type ResolvedKubernetesConnectionOptions,
  resolveKubernetesConnectionOptions,
} from '@sd/connection-kubernetes'
import { checkBoolean, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'

/** Some objects of one kind: their names, in the order in which they are merged, or all with these labels, which are merged by name. */
export type ObjectChoice = readonly string[] | { readonly labelSelector: string }

/** Options of `createKubernetesConfigSource`. It reads one namespace, and at least one object or label selector. */
export interface KubernetesConfigSourceOptions extends KubernetesConnectionOptions {
  /** ConfigMaps: at most 32 names, such as `['orders', 'orders-flags']`, or `{ labelSelector: 'app=orders' }`. @default [] */
  readonly configMaps?: ObjectChoice
  /** Secrets likewise. They are merged after the ConfigMaps, so they win. @default [] */
  readonly secrets?: ObjectChoice
  /** Whether every named object must be there. If not, a missing one is like an empty one, and is seen when it comes. @default false */
  readonly required?: boolean
  /** Name for messages, logs and metrics. @default 'config-kubernetes' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedKubernetesConfigSourceOptions extends ResolvedKubernetesConnectionOptions {
  readonly configMaps: ObjectChoice
  readonly secrets: ObjectChoice
  readonly required: boolean
}

/** Each takes a watch, and a connection with it. */
const mostNames = 32
const dnsSubdomain = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/

/** Whether Kubernetes takes the text as the name of a ConfigMap or a Secret. */
export function isObjectName(text: string): boolean {
  return dnsSubdomain.test(text)
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function resolveKubernetesConfigSourceOptions(
  options: KubernetesConfigSourceOptions,
): ResolvedKubernetesConfigSourceOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'configMaps', 'secrets', 'required', 'name'])
  const configMaps = checkChoice('configMaps', options.configMaps ?? [])
  const secrets = checkChoice('secrets', options.secrets ?? [])
  if ([configMaps, secrets].every((choice) => 'length' in choice && choice.length === 0)) {
    throw invalidError('configMaps', options.configMaps, 'a name or a label selector, here or in secrets')
  }
  return {
    ...resolveKubernetesConnectionOptions(options, checkName('name', options.name ?? 'config-kubernetes')),
    configMaps,
    secrets,
    required: checkBoolean('required', options.required ?? false),
  }
}

function checkChoice(field: string, value: unknown): ObjectChoice {
  if (!Array.isArray(value)) {
    const choice = checkObject(field, value)
    checkKnownKeys(field, choice, ['labelSelector'])
    return { labelSelector: checkName(`${field}.labelSelector`, choice['labelSelector'], 2_048) }
  }
  if (value.length > mostNames) throw invalidError(field, value, `at most ${mostNames} names, or a label selector`)
  return value.map((name: unknown, index) => {
    if (typeof name !== 'string' || !isObjectName(name)) throw invalidError(`${field}[${index}]`, name, 'the name of an object')
    if (value.indexOf(name) !== index) throw invalidError(`${field}[${index}]`, name, 'every name once')
    return name
  })
}
