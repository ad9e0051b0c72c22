import { type ConfigTree, isTree, valueAt } from './config-tree.ts'
import type { SecretTest } from './secrets.ts'

/** What goes with {@link resolvePlaceholders}. */
export interface PlaceholderOptions {
  /** Variables for names that are no path. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Whether a text is taken as it stands. */
  readonly isVerbatim: (keys: readonly string[]) => boolean
  /** Whether what is at a path is secret, so that what refers to it is as well. */
  readonly isSecret: SecretTest
  /** Whether what is at a path must be encrypted: a text that refers to it must be secret itself. @default nothing is */
  readonly isGuarded?: SecretTest
}

/** A tree without placeholders. */
export interface ResolvedTree {
  /** The tree. */
  readonly tree: ConfigTree
  /** Paths of texts that had placeholders in them. */
  readonly texts: ReadonlySet<string>
  /** Paths of values that have something secret in them. */
  readonly secrets: ReadonlySet<string>
}

/** Why a placeholder has no value. Its message quotes names, never values. */
export class PlaceholderError extends Error {
  /** Path of the text that has it. */
  readonly keys: readonly string[]

  constructor(keys: readonly string[], reason: string) {
    super(reason)
    this.keys = keys
  }
}

interface Expanded {
  readonly value: unknown
  readonly isSecret: boolean
  readonly isGuarded: boolean
}

const maxDepth = 50
const maxCharacters = 4_194_304

/**
 * Replaces `${path}` and `${NAME}` by what is at that path, else by the variable of that name, and `${name:default}` by the default if there is
 * neither; defaults may have placeholders. A text that is one placeholder takes over the value with its type. `$${` is `${` as it stands.
 *
 * @throws PlaceholderError for one without a value, one that isn't closed, a cycle, an object or array in a text, and too much of it
 */
export function resolvePlaceholders(tree: ConfigTree, options: PlaceholderOptions): ResolvedTree {
  const { environment, isVerbatim, isSecret, isGuarded = () => false } = options
  const known = new Map<string, Expanded>()
  const texts = new Set<string>()
  const secrets = new Set<string>()
  const open: string[] = []
  let characters = 0

  function resolve(value: unknown, keys: readonly string[]): unknown {
    if (Array.isArray(value)) return value.map((item, index) => resolve(item, [...keys, String(index)]))
    if (!isTree(value)) return hasPlaceholder(value) ? resolveLeaf(value, keys).value : value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, [...keys, key])]))
  }

  function resolveLeaf(value: unknown, keys: readonly string[]): Expanded {
    if (!hasPlaceholder(value) || isVerbatim(keys)) return { value, isSecret: isSecret(keys), isGuarded: isGuarded(keys) }
    const path = keys.join('.')
    const found = known.get(path)
    if (found) return found
    if (open.includes(path))
      throw new PlaceholderError(keys, `refers to itself: ${[...open.slice(open.indexOf(path)), path].join(' → ')}`)
    if (open.length >= maxDepth) throw new PlaceholderError(keys, `refers to more than ${maxDepth} others in a row`)
    open.push(path)
    const expanded = expand(value, keys)
    open.pop()
    if (expanded.isGuarded && !isSecret(keys))
      throw new PlaceholderError(keys, 'shows a value that must be encrypted: name this path in secrets if that is meant')
    const result = { ...expanded, isSecret: expanded.isSecret || isSecret(keys) }
    known.set(path, result)
    texts.add(path)
    if (expanded.isSecret) secrets.add(path)
    return result
  }

  function expand(text: string, keys: readonly string[], depth: number = 0): Expanded {
    if (depth > maxDepth) throw new PlaceholderError(keys, `has placeholders nested more than ${maxDepth} deep`)
    let isSecretText = false
    let isGuardedText = false
    const values: unknown[] = []
    let length = 0
    let at = 0
    // Counted before the parts are joined: each may be a large value that others refer to as well.
    function push(value: unknown): void {
      values.push(value)
      length += typeof value === 'string' ? value.length : 24
      if (values.length > 1 && characters + length > maxCharacters)
        throw new PlaceholderError(keys, `makes more than ${maxCharacters} characters of placeholders`)
    }
    while (at < text.length) {
      const start = text.indexOf('${', at)
      if (start < 0) break
      if (text[start - 1] === '$' && start > at) {
        push(`${text.slice(at, start - 1)}\${`)
        at = start + 2
        continue
      }
      if (start > at) push(text.slice(at, start))
      const end = closingBrace(text, start + 2)
      if (end < 0) throw new PlaceholderError(keys, 'has a placeholder without its closing brace')
      const reference = refer(text.slice(start + 2, end), keys, depth)
      isSecretText ||= reference.isSecret
      isGuardedText ||= reference.isGuarded
      push(reference.value)
      at = end + 1
    }
    if (at < text.length) push(text.slice(at))
    if (values.length === 1) return { value: values[0], isSecret: isSecretText, isGuarded: isGuardedText }
    characters += length
    return { value: values.map(String).join(''), isSecret: isSecretText, isGuarded: isGuardedText }
  }

  function refer(reference: string, keys: readonly string[], depth: number): Expanded {
    const colon = reference.indexOf(':')
    const name = (colon < 0 ? reference : reference.slice(0, colon)).trim()
    if (name === '' || name.includes('${')) throw new PlaceholderError(keys, 'has a placeholder without a name')
    const target = name.split('.')
    const value = valueAt(tree, target)
    if (typeof value === 'object' && value !== null)
      throw new PlaceholderError(keys, `refers to ${name}, which is no single value`)
    if (value !== undefined) return resolveLeaf(value, target)
    const variable = Object.hasOwn(environment, name) ? environment[name] : undefined
    if (variable !== undefined) return { value: variable, isSecret: isSecret([name]), isGuarded: false }
    if (colon < 0) throw new PlaceholderError(keys, `refers to ${name}, which has no value`)
    const otherwise = reference.slice(colon + 1)
    if (isForeignName(name, otherwise))
      throw new PlaceholderError(keys, `refers to ${name}:…, a namespace of another tool: write the name alone, as \${NAME}`)
    return expand(otherwise, keys, depth + 1)
  }

  return { tree: resolve(tree, []) as ConfigTree, texts, secrets }
}

/**
 * Whether a placeholder such as `${env:DB_HOST}` or `${vault:db#password}` names a value in the way of Log4j, Dubbo or Serverless. Here the name
 * would be `env`, and `DB_HOST` the text that stands in for it.
 */
function isForeignName(name: string, otherwise: string): boolean {
  if (/^(?:env|sys)$/i.test(name)) return /^[A-Z][A-Z0-9_]*(?:[:,].*)?$/.test(otherwise)
  return /^(?:vault|ssm|secretsmanager)$/i.test(name)
}

function hasPlaceholder(value: unknown): value is string {
  return typeof value === 'string' && value.includes('${')
}

/** The brace that closes a placeholder whose name begins at `from`, or -1. */
function closingBrace(text: string, from: number): number {
  const brace = /\$\{|\}/g
  brace.lastIndex = from
  let depth = 1
  for (let found = brace.exec(text); found; found = brace.exec(text)) {
    depth += found[0] === '}' ? -1 : 1
    if (depth === 0) return found.index
  }
  return -1
}
