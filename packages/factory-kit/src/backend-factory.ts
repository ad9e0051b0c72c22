import { checkText, invalidError, prefixField, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type BackendConfig, parseBackendUrl, type UrlKind, type UrlMapping } from './backend-url.ts'

type Options = Readonly<Record<string, unknown>>

/** What a composition of several backends can use. */
export interface Composition<Backend> {
  /** The create function of the adapter. */
  readonly create: (options: object) => Backend
  /** Creates another backend from a URL or a configuration. @param path prefix of the fields that errors name */
  readonly open: (path: string, config: unknown) => Promise<Backend>
}

/** An adapter package, loaded when a configuration names its type. */
export interface AdapterPackage<Backend> {
  /** The npm package. */
  readonly package: string
  /** The exported function that creates the backend. */
  readonly create: string
  /** Maps the parts of a URL to options. */
  readonly url: UrlMapping
  /** Creates a backend that is composed of others. @default calls the create function with the options */
  readonly compose?: (options: Options, composition: Composition<Backend>) => Promise<Backend>
}

/** A type of the user's own that configurations can name. */
export interface BackendType<Backend, TypeOptions = unknown> {
  /**
   * Validates and may transform the options before they are used. Any Standard Schema, such as one of zod, valibot or
   * arktype. @default the options are passed on as they are
   */
  readonly schema?: StandardSchemaV1<unknown, TypeOptions>
  /** Creates the backend. @param options the configuration without `type`, or the output of the schema */
  create(options: TypeOptions): Backend | Promise<Backend>
}

/** Types of the user's own, by name. */
export type BackendTypes<Backend> = Readonly<Record<string, BackendType<Backend>>>

/** Backends of one kind: registries, configuration sources or locks. */
export interface BackendKind<Backend> extends UrlKind {
  /** Field that errors name if a configuration has neither form. */
  readonly field: string
  /** The adapters of this project, by type. */
  readonly adapters: Readonly<Record<string, AdapterPackage<Backend>>>
  /** Name of a method that only a backend has, to recognize one that is given instead of its configuration. */
  readonly method: string
  /** `(name) => import(name)` in the package that has the adapters as optional peers: only there they can be found. */
  readonly importPackage: (name: string) => Promise<unknown>
}

/** Creates backends of one kind from URLs and configurations. */
export interface BackendFactory<Backend> {
  /** Parses a URL. @throws SdError see `parseBackendUrl` */
  parseUrl(url: string): BackendConfig
  /** Returns the configuration of a URL or an object. @throws SdError `SD_INVALID` for anything else */
  readConfig(config: unknown): BackendConfig
  /**
   * Creates a backend.
   *
   * @param types types of the user's own; they take precedence over the adapters
   * @throws SdError `SD_INVALID` with the path of the invalid field; `SD_NOT_FOUND` with the install command if the
   * adapter is not installed; `SD_UNSUPPORTED` if it is too old
   */
  create(config: unknown, types?: BackendTypes<Backend>): Promise<Backend>
}

/** Creates the factory of a kind of backend. */
export function createBackendFactory<Backend>(kind: BackendKind<Backend>): BackendFactory<Backend> {
  const { adapters } = kind

  async function create(config: unknown, types: BackendTypes<Backend> = {}): Promise<Backend> {
    const { type, ...options } = readConfig(kind, config)
    const own = Object.hasOwn(types, type) ? types[type] : undefined
    if (own) return own.create(await applySchema(own, options))
    const adapter = Object.hasOwn(adapters, type) ? adapters[type] : undefined
    if (!adapter) throw invalidError('type', type, `one of ${[...Object.keys(types), ...Object.keys(adapters)].join(', ')}`)
    const createBackend = await loadAdapter(kind, type, adapter)
    if (!adapter.compose) return createBackend(options)
    return adapter.compose(options, {
      create: createBackend,
      open: (path, inner) => underPath(path, () => create(inner, types)),
    })
  }

  return {
    parseUrl: (url) => parseBackendUrl(url, kind),
    readConfig: (config) => readConfig(kind, config),
    create,
  }
}

function readConfig<Backend>(kind: BackendKind<Backend>, config: unknown): BackendConfig {
  const { field, noun, method, adapters } = kind
  const wanted = 'a URL such as consul://127.0.0.1:8500, or an object such as { type: "consul", servers: ["127.0.0.1:8500"] }'
  if (typeof config === 'string') {
    if (config.trim() === '') throw invalidError(field, 'an empty string', wanted)
    return parseBackendUrl(config, kind)
  }
  if (config === undefined || config === null || typeof config !== 'object' || Array.isArray(config)) {
    throw invalidError(field, config, config === undefined ? `${wanted}; is the environment variable set?` : wanted)
  }
  if (typeof Reflect.get(config, method) === 'function') throw invalidError(field, `a ${noun} instance`, wanted)
  if (config instanceof Promise) throw invalidError(field, 'a promise', 'its result (await the promise)')
  if (config instanceof URL) throw invalidError(field, 'a URL object', `${wanted}; pass its href`)
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
async function applySchema({ schema }: BackendType<unknown>, options: object): Promise<unknown> {
  if (!schema) return options
  const result = await schema['~standard'].validate(options)
  const [issue] = result.issues ?? []
  if (!issue) return (result as { readonly value: unknown }).value
  const field = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'config'
  throw new SdError('SD_INVALID', `Invalid ${field}: ${issue.message}`, { field })
}

/** Loads an adapter and returns its create function. */
async function loadAdapter<Backend>(
  { noun, importPackage }: BackendKind<Backend>,
  type: string,
  adapter: AdapterPackage<Backend>,
): Promise<(options: object) => Backend> {
  let module: Readonly<Record<string, unknown>>
  try {
    module = (await importPackage(adapter.package)) as Record<string, unknown>
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`'${adapter.package}'`)) throw error
    const what = `${noun[0]?.toUpperCase()}${noun.slice(1)} type ${type}`
    const advice = `npm install ${adapter.package}`
    throw new SdError('SD_NOT_FOUND', `${what} needs the package ${adapter.package}; run ${advice}`, { cause: error })
  }
  const create = module[adapter.create]
  if (typeof create === 'function') return create as (options: object) => Backend
  throw new SdError('SD_UNSUPPORTED', `${adapter.package} does not export ${adapter.create}; install a newer version`)
}
