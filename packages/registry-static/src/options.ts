import { checkDuration, checkKnownKeys, checkName, checkObject, checkText, type InstanceSpec, invalidError } from '@sd/core'

/** Options of `createStaticRegistry`: exactly one of `file`, `env` and `instances`. */
export interface StaticRegistryOptions {
  /** Path of a YAML or JSON file. Changes are noticed. */
  readonly file?: string
  /** Name of an environment variable that holds such a document, or `orders=10.0.0.1:8080,10.0.0.2:8080;users=…`. Read once. */
  readonly env?: string
  /** The instances themselves. */
  readonly instances?: readonly InstanceSpec[]
  /** How often the file is looked at, beside the operating system's word that it changed, in milliseconds. @default 5_000 */
  readonly refreshIntervalMs?: number
  /** Name for logs and metrics. @default 'static' */
  readonly name?: string
}

/** Where instances come from. */
export type StaticOrigin =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly variable: string }
  | { readonly kind: 'inline'; readonly instances: readonly InstanceSpec[] }

/** Options with their defaults filled in. */
export interface ResolvedStaticRegistryOptions {
  /** Where instances come from. */
  readonly origin: StaticOrigin
  /** See {@link StaticRegistryOptions.refreshIntervalMs}. */
  readonly refreshIntervalMs: number
  /** See {@link StaticRegistryOptions.name}. */
  readonly name: string
}

/** Checks the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveStaticRegistryOptions(options: StaticRegistryOptions): ResolvedStaticRegistryOptions {
  checkKnownKeys('', checkObject('options', options), ['file', 'env', 'instances', 'refreshIntervalMs', 'name'])
  return {
    origin: readOrigin(options),
    refreshIntervalMs: checkDuration('refreshIntervalMs', options.refreshIntervalMs ?? 5_000, 10),
    name: checkName('name', options.name ?? 'static'),
  }
}

function readOrigin({ file, env, instances }: StaticRegistryOptions): StaticOrigin {
  const given = [file, env, instances].filter((value) => value !== undefined)
  if (given.length !== 1)
    throw invalidError('file', `${given.length} of file, env and instances`, 'exactly one of file, env and instances')
  if (file !== undefined) {
    if (checkText('file', file, 4_096) === '') throw invalidError('file', file, 'the path of a file')
    return { kind: 'file', path: file }
  }
  if (env !== undefined) return { kind: 'env', variable: checkName('env', env) }
  if (!Array.isArray(instances)) throw invalidError('instances', instances, 'an array of instances')
  return { kind: 'inline', instances }
}
