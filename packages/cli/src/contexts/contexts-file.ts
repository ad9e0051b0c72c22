import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  checkBoolean,
  checkKnownKeys,
  checkName,
  checkObject,
  describeThrown,
  invalidError,
  prefixField,
  SdError,
} from '@sd/core'

/** A context of the contexts file: what belongs to one environment. */
export interface SavedContext {
  readonly name: string
  /** URL of the registry, as for `createRegistry` of `@sd/registry`. */
  readonly registry?: string
  /** URL of the configuration center. */
  readonly config?: string
  /** URL of the backend of locks. */
  readonly lock?: string
  /** Program with arguments that prints the token of admin endpoints. It runs without a shell. */
  readonly adminToken?: readonly string[]
  /** Whether commands may change something. */
  readonly write: boolean
}

/** The contexts file. */
export interface ContextsFile {
  readonly path: string
  /** The name of the context in use, if one is chosen. */
  readonly current: string | undefined
  readonly contexts: readonly SavedContext[]
}

const largestFile = 1_048_576
const contextKeys = ['name', 'registry', 'config', 'lock', 'adminToken', 'write'] as const

/** Path of the contexts file: `sdctl/config.yaml` in `$XDG_CONFIG_HOME`, or in `~/.config`. */
export function contextsPath(env: Readonly<Record<string, string | undefined>>): string {
  const folder = env['XDG_CONFIG_HOME'] || (env['HOME'] && join(env['HOME'], '.config'))
  if (!folder) throw invalidError('HOME', undefined, 'HOME or XDG_CONFIG_HOME in the environment')
  return join(folder, 'sdctl', 'config.yaml')
}

/** Reads the contexts file; one that does not exist is empty. @throws SdError `SD_INVALID` with the path of the wrong field */
export async function readContexts(env: Readonly<Record<string, string | undefined>>): Promise<ContextsFile> {
  if (!env['XDG_CONFIG_HOME'] && !env['HOME']) return { path: '', current: undefined, contexts: [] }
  const path = contextsPath(env)
  const text = await readText(path)
  if (text === undefined) return { path, current: undefined, contexts: [] }
  const value = await parse(path, text)
  try {
    return { path, ...checkContexts(value) }
  } catch (error) {
    throw new SdError('SD_INVALID', `${path}: ${describeThrown(error)}`, { cause: error })
  }
}

/** Text of the contexts file, or `undefined` if there is none. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    if (text.length > largestFile) throw new SdError('SD_TOO_LARGE', `${path} has more than ${largestFile} characters`)
    return text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (error instanceof SdError) throw error
    throw new SdError('SD_INVALID', `${path} can't be read: ${describeThrown(error)}`, { cause: error })
  }
}

async function parse(path: string, text: string): Promise<unknown> {
  // Loaded on demand: most runs have a registry in the environment.
  const { LineCounter, parseDocument } = await import('yaml')
  const lineCounter = new LineCounter()
  // A pretty message quotes the line, which may contain a password.
  const document = parseDocument(text, { prettyErrors: false, lineCounter })
  const [error] = document.errors
  if (error) throw new SdError('SD_INVALID', `${path}, line ${lineCounter.linePos(error.pos[0]).line}: ${error.message}`)
  return document.toJS({ maxAliasCount: 100 })
}

function checkContexts(value: unknown): Omit<ContextsFile, 'path'> {
  // An empty file.
  if (value === null || value === undefined) return { current: undefined, contexts: [] }
  const file = checkObject('file', value)
  checkKnownKeys('', file, ['current', 'contexts'])
  const { current, contexts: list = [] } = file
  if (!Array.isArray(list)) throw invalidError('contexts', list, 'a list of contexts')
  const contexts = list.map((context, index) => {
    try {
      return checkContext(context)
    } catch (error) {
      throw prefixField(`contexts[${index}]`, error)
    }
  })
  const names = new Set<string>()
  for (const [index, { name }] of contexts.entries()) {
    if (names.has(name)) throw invalidError(`contexts[${index}].name`, name, 'a name that no other context has')
    names.add(name)
  }
  if (current === undefined || current === null) return { current: undefined, contexts }
  const name = checkName('current', current)
  if (!names.has(name))
    throw invalidError('current', name, `one of ${[...names].join(', ') || 'the contexts, of which there are none'}`)
  return { current: name, contexts }
}

function checkContext(value: unknown): SavedContext {
  const context = checkObject('', value)
  checkKnownKeys('', context, contextKeys)
  const { name, adminToken, write = false } = context
  return {
    name: checkName('name', name),
    ...Object.fromEntries(
      (['registry', 'config', 'lock'] as const)
        .filter((key) => context[key] !== undefined)
        .map((key) => [key, checkUrl(key, context[key])]),
    ),
    ...(adminToken !== undefined && { adminToken: checkProgram(adminToken) }),
    write: checkBoolean('write', write),
  }
}

/** Only the form: the package that opens it checks the rest. The message has no part of the URL, which may contain a password. */
function checkUrl(field: string, value: unknown): string {
  if (typeof value === 'string' && /^[a-z][a-z0-9+-]*:(?:\/\/|[^@]*$)/.test(value)) return value
  throw invalidError(field, typeof value === 'string' ? 'another text' : value, 'a URL such as consul://10.0.0.1:8500')
}

function checkProgram(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === 'string' && part !== '')) return value
  throw invalidError('adminToken', value, 'a program with its arguments, such as ["pass", "show", "sd/admin"]')
}
