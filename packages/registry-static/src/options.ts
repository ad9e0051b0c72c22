import { checkDuration, checkKnownKeys, checkName, checkObject, checkText, type InstanceSpec, invalidError } from '@sd/core'

/** Options of `createStaticRegistry`: exactly one of `file`, `env` and `instances`. */
export interface StaticRegistryOptions {
  /** Path of a YAML or JSON file. It is read again after changes. */
  readonly file?: string
  /**
   * Name of an environment variable that contains such a document, or `orders=10.0.0.1:8080,10.0.0.2:8080;users=…`. It
   * is read once.
   */
  readonly env?: string
  /** The instances. */
  readonly instances?: readonly InstanceSpec[]
  /**
   * Interval at which the file is checked in addition to change notifications of the operating system, in milliseconds.
   * @default 5_000
   */
  readonly refreshIntervalMs?: number
  /** Name of this registry in logs and metrics. @default 'static' */
  readonly name?: string
}

/** Source of the instances. */
export type StaticOrigin =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly variable: string }
  | { readonly kind: 'inline'; readonly instances: readonly InstanceSpec[] }

/** Options with defaults applied. */
export interface ResolvedStaticRegistryOptions {
  /** Source of the instances. */
  readonly origin: StaticOrigin
  /** See {@link StaticRegistryOptions.refreshIntervalMs}. */
  readonly refreshIntervalMs: number
  /** See {@link StaticRegistryOptions.name}. */
  readonly name: string
}

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
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
