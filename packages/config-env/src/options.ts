import { checkConfigKey } from '@sd/adapter-kit'
import { checkDuration, checkKnownKeys, checkName, checkObject, checkOneOf, checkText, invalidError } from '@sd/core'

/**
 * How a variable's name, without its prefix, becomes a key: `lower` makes `db/max_pool_size` of `DB__MAX_POOL_SIZE`, `camel` makes
 * `db/maxPoolSize` of it, `keep` makes `DB/MAX_POOL_SIZE`. A function returns the key itself, or `undefined` to leave the variable out.
 */
export type VariableNaming = 'lower' | 'camel' | 'keep' | ((name: string) => string | undefined)

/** Options of `createEnvConfigSource`. */
export interface EnvConfigSourceOptions {
  /** What the names of variables begin with, and keys do not, such as `SD_`. @default '': every variable counts */
  readonly prefix?: string
  /** What stands for a slash of the key. @default '__' */
  readonly separator?: string
  /** How names become keys. @default 'lower' */
  readonly naming?: VariableNaming
  /** Keys that are secret, with all below them, so that `@sd/config` masks their values. @default none */
  readonly secrets?: readonly string[]
  /** The variables. @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** How often a watch reads the variables again, in milliseconds: a program may change its own. @default never again */
  readonly refreshIntervalMs?: number
  /** Name for messages, logs and metrics. @default 'config-env' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedEnvConfigSourceOptions {
  readonly prefix: string
  readonly separator: string
  readonly naming: VariableNaming
  readonly secrets: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly refreshIntervalMs: number | undefined
  readonly name: string
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function resolveEnvConfigSourceOptions(options: EnvConfigSourceOptions): ResolvedEnvConfigSourceOptions {
  const known = ['prefix', 'separator', 'naming', 'secrets', 'env', 'refreshIntervalMs', 'name']
  checkKnownKeys('', checkObject('options', options), known)
  const { naming = 'lower', secrets = [], env = process.env, refreshIntervalMs } = options
  if (!Array.isArray(secrets)) throw invalidError('secrets', secrets, 'an array of keys')
  checkObject('env', env)
  return {
    prefix: checkText('prefix', options.prefix ?? '', 255),
    separator: checkName('separator', options.separator ?? '__'),
    naming: typeof naming === 'function' ? naming : checkOneOf('naming', naming, ['lower', 'camel', 'keep']),
    secrets: secrets.map((key, index) => checkConfigKey(`secrets[${index}]`, key)),
    env,
    refreshIntervalMs: refreshIntervalMs === undefined ? undefined : checkDuration('refreshIntervalMs', refreshIntervalMs, 1),
    name: checkName('name', options.name ?? 'config-env'),
  }
}
