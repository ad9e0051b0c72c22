import { checkObject, checkText, invalidError, prefixField, type ReadOnlyRegistry, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Adapter, adapters } from './adapters.ts'
import { parseRegistryUrl, type RegistryConfig } from './registry-url.ts'

/** A registry type of your own that configurations can name. */
export interface RegistryType<Options = unknown> {
  /**
   * Validates and may transform the options before they are used. Any Standard Schema, such as one of zod, valibot or
   * arktype.
   */
  readonly schema?: StandardSchemaV1<unknown, Options>
  /** Creates the registry. @param options the configuration without `type`, or the output of the schema */
  create(options: Options): ReadOnlyRegistry | Promise<ReadOnlyRegistry>
}

/** Registry types of your own, by name. They take precedence over the built-in types. */
export type RegistryTypes = Readonly<Record<string, RegistryType>>

/** Creates a registry, and the members of a failover, from a configuration. */
export async function buildSource(config: string | RegistryConfig, types: RegistryTypes): Promise<ReadOnlyRegistry> {
  const { type, ...options } = readConfig(config)
  const own = Object.hasOwn(types, type) ? types[type] : undefined
  if (own) return own.create(await applySchema(own, options))
  const adapter = Object.hasOwn(adapters, type) ? adapters[type] : undefined
  if (!adapter) throw invalidError('type', type, `one of ${[...Object.keys(types), ...Object.keys(adapters)].join(', ')}`)
  const create = await loadAdapter(type, adapter)
  if (type !== 'failover') return create(options)
  const members = await buildMembers(options['members'], types)
  try {
    return create({ ...options, members })
  } catch (error) {
    await Promise.allSettled(members.map(({ registry }) => registry.close()))
    throw error
  }
}

function readConfig(config: unknown): RegistryConfig {
  const wanted = 'a URL such as consul://127.0.0.1:8500, or an object such as { type: "consul", servers: ["127.0.0.1:8500"] }'
  if (typeof config === 'string') {
    if (config.trim() === '') throw invalidError('registry', 'an empty string', wanted)
    return parseRegistryUrl(config)
  }
  if (config === undefined || config === null || typeof config !== 'object' || Array.isArray(config)) {
    throw invalidError('registry', config, config === undefined ? `${wanted}; is the environment variable set?` : wanted)
  }
  if (typeof Reflect.get(config, 'getInstances') === 'function') throw invalidError('registry', 'a registry instance', wanted)
  if (config instanceof Promise) throw invalidError('registry', 'a promise', 'its result (await the promise)')
  if (config instanceof URL) throw invalidError('registry', 'a URL object', `${wanted}; pass its href`)
  const type: unknown = Reflect.get(config, 'type')
  if (type === undefined) throw invalidError('type', type, `one of ${Object.keys(adapters).join(', ')}`)
  return { ...config, type: checkText('type', type, 255) }
}

/** Runs `build` and prefixes the fields that its errors name with `path`. */
async function underPath<T>(path: string, build: () => Promise<T>): Promise<T> {
  try {
    return await build()
  } catch (error) {
    throw prefixField(path, error)
  }
}

/** Validates options. The first issue of the schema becomes an `SD_INVALID` that names its path. */
async function applySchema({ schema }: RegistryType, options: object): Promise<unknown> {
  if (!schema) return options
  const result = await schema['~standard'].validate(options)
  const [issue] = result.issues ?? []
  if (!issue) return (result as { readonly value: unknown }).value
  const field = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'config'
  throw new SdError('SD_INVALID', `Invalid ${field}: ${issue.message}`, { field })
}

/** Loads an adapter and returns its create function. @throws SdError `SD_NOT_FOUND` with the install command */
export async function loadAdapter(type: string, adapter: Adapter): Promise<(options: object) => ReadOnlyRegistry> {
  let module: Readonly<Record<string, unknown>>
  try {
    module = (await import(adapter.package)) as Record<string, unknown>
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`'${adapter.package}'`)) throw error
    const advice = `npm install ${adapter.package}`
    throw new SdError('SD_NOT_FOUND', `Registry type ${type} needs the package ${adapter.package}; run ${advice}`, {
      cause: error,
    })
  }
  const create = module[adapter.create]
  if (typeof create === 'function') return create as (options: object) => ReadOnlyRegistry
  throw new SdError('SD_UNSUPPORTED', `${adapter.package} does not export ${adapter.create}; install a newer version`)
}

async function buildMembers(value: unknown, types: RegistryTypes): Promise<readonly { readonly registry: ReadOnlyRegistry }[]> {
  if (!Array.isArray(value)) throw invalidError('members', value, 'an array of { registry: a URL or a configuration object, … }')
  const members: { registry: ReadOnlyRegistry }[] = []
  try {
    for (const [index, member] of value.entries()) {
      const path = `members[${index}].registry`
      const { registry: config } = checkObject(`members[${index}]`, member)
      if (typeof config !== 'string') checkObject(path, config)
      const registry = await underPath(path, () => buildSource(config as string | RegistryConfig, types))
      members.push({ ...(member as object), registry })
    }
  } catch (error) {
    await Promise.allSettled(members.map(({ registry }) => registry.close()))
    throw error
  }
  return members
}
