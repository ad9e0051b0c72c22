import {
  CONNECTION_OPTIONS,
  type KubernetesConnectionOptions,
  type ResolvedKubernetesConnectionOptions,
  resolveKubernetesConnectionOptions,
} from '@sd/connection-kubernetes'
import { checkBoolean, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'

/** Objects of one kind: names in the order in which they are merged, or all with these labels, merged by name. */
export type ObjectChoice = readonly string[] | { readonly labelSelector: string }

/** Options of `createKubernetesConfigSource`. It reads one namespace, and at least one object or label selector. */
export interface KubernetesConfigSourceOptions extends KubernetesConnectionOptions {
  /** ConfigMaps: at most 32 names, such as `['orders', 'orders-flags']`, or `{ labelSelector: 'app=orders' }`. @default [] */
  readonly configMaps?: ObjectChoice
  /** Secrets, selected in the same way. They are merged after the ConfigMaps, so they win. @default [] */
  readonly secrets?: ObjectChoice
  /** Whether every named object must exist. Otherwise a missing object is empty, and is seen when it is created. @default false */
  readonly required?: boolean
  /** Name in messages, logs and metrics. @default 'config-kubernetes' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedKubernetesConfigSourceOptions extends ResolvedKubernetesConnectionOptions {
  readonly configMaps: ObjectChoice
  readonly secrets: ObjectChoice
  readonly required: boolean
}

/** Each name needs a watch with its own connection. */
const mostNames = 32
const dnsSubdomain = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/

/** Whether a text is a valid name of a ConfigMap or Secret. */
export function isObjectName(text: string): boolean {
  return dnsSubdomain.test(text)
}

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
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
    if (typeof name !== 'string' || !isObjectName(name)) throw invalidError(`${field}[${index}]`, name, 'a valid object name')
    if (value.indexOf(name) !== index) throw invalidError(`${field}[${index}]`, name, 'no duplicates')
    return name
  })
}
