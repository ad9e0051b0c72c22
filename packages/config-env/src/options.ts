import { checkConfigKey } from '@sd/adapter-kit'
import { checkDuration, checkKnownKeys, checkName, checkObject, checkOneOf, checkText, invalidError } from '@sd/core'

/**
 * Conversion of a variable's name, without its prefix, to a key: `lower` converts `DB__MAX_POOL_SIZE` to `db/max_pool_size`,
 * `camel` to `db/maxPoolSize`, `keep` to `DB/MAX_POOL_SIZE`. A function returns the key itself, or `undefined` to ignore the variable.
 */
export type VariableNaming = 'lower' | 'camel' | 'keep' | ((name: string) => string | undefined)

/** Options of `createEnvConfigSource`. */
export interface EnvConfigSourceOptions {
  /** Prefix of the variables to use, such as `SD_`; keys don't have it. @default '': all variables */
  readonly prefix?: string
  /** Part of the name that becomes a slash in the key. @default '__' */
  readonly separator?: string
  /** Conversion of names to keys. @default 'lower' */
  readonly naming?: VariableNaming
  /** Secret keys, with everything below them: `@sd/config` masks their values. @default none */
  readonly secrets?: readonly string[]
  /** The variables. @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Interval at which a watch reads the variables again, in milliseconds. Set it if the program changes them. @default never */
  readonly refreshIntervalMs?: number
  /** Name in messages, logs and metrics. @default 'config-env' */
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

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
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
