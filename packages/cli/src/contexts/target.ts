import { invalidError } from '@sd/core'
import { readContexts, type SavedContext } from './contexts-file.ts'

/** The registry that a command works on. */
export interface Target {
  readonly registry: string
  /** The context from which the registry comes, if it comes from one. */
  readonly context: SavedContext | undefined
  /** Type and place of the registry, without credentials. */
  readonly label: string
}

/** What may choose a target. */
export interface TargetChoice {
  /** Value of `--registry`. */
  readonly registry: string | undefined
  /** Value of `--context`. */
  readonly context: string | undefined
  /** Value of `--config`. */
  readonly config?: string | undefined
  /** Value of `--lock`. */
  readonly lock?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * The context that applies: that of `--context`, or the current one of the contexts file unless a registry was given.
 *
 * @throws SdError `SD_INVALID` for a context that does not exist, or with `--registry`
 */
export async function chooseContext({ registry, context, env }: TargetChoice): Promise<SavedContext | undefined> {
  if (registry !== undefined && context !== undefined)
    throw invalidError('command line', '--registry and --context', 'one of them: a context has its own registry')
  if (registry !== undefined || (context === undefined && env['SD_REGISTRY'])) return undefined
  const { contexts, current, path } = await readContexts(env)
  const name = context ?? current
  if (name === undefined) return undefined
  const found = contexts.find((one) => one.name === name)
  if (found) return found
  throw invalidError(
    '--context',
    name,
    contexts.length > 0 ? `one of ${contexts.map((one) => one.name).join(', ')}` : `a context in ${path}`,
  )
}

/** The registry that applies: that of `--registry`, `--context`, `SD_REGISTRY` or the current context, in this order. */
export async function chooseTarget(choice: TargetChoice): Promise<Target> {
  const context = await chooseContext(choice)
  const registry = context ? context.registry : (choice.registry ?? choice.env['SD_REGISTRY'])
  if (registry !== undefined && registry !== '') return { registry, context, label: describeUrl(registry) }
  if (context) throw invalidError(`the context ${context.name}`, 'no registry', 'a registry, such as consul://10.0.0.1:8500')
  throw invalidError(
    'registry',
    undefined,
    '--registry consul://10.0.0.1:8500, SD_REGISTRY, or a context: sdctl contexts use <name>',
  )
}

const examples = { config: 'etcd://10.0.0.1:2379/orders', lock: 'etcd://10.0.0.1:2379' }

/**
 * The URL of the configuration or of the locks: that of `--config` or `--lock`, of the context, or `SD_CONFIG` or `SD_LOCK`.
 *
 * @throws SdError `SD_INVALID` if there is none
 */
export async function chooseUrl(kind: 'config' | 'lock', choice: TargetChoice): Promise<string> {
  const given = choice[kind]
  if (given !== undefined) return given
  const saved = await chooseContext(choice)
  const url = saved ? saved[kind] : choice.env[`SD_${kind.toUpperCase()}`]
  if (url !== undefined && url !== '') return url
  const example = examples[kind]
  if (saved) throw invalidError(`the context ${saved.name}`, `no ${kind}`, `${kind}: ${example}`)
  throw invalidError(kind, undefined, `--${kind} ${example}, SD_${kind.toUpperCase()}, or a context with ${kind}`)
}

/** Type and place of a URL, without user, password and options. */
export function describeUrl(url: string): string {
  const [, type = '', hosts = '', path = ''] = /^([a-z][a-z0-9-]*)(?:\+tls)?:(?:\/\/(?:.*@)?([^/?#@]*))?([^?#]*)/.exec(url) ?? []
  if (type === '') return 'a registry'
  return path === '/' || path.includes('@') ? `${type} ${hosts}`.trim() : `${type} ${hosts}${path}`.trim()
}
