import { type ConfigTree, isTree, valueAt } from './config-tree.ts'
import type { SecretTest } from './secrets.ts'

/** Options of {@link resolvePlaceholders}. */
export interface PlaceholderOptions {
  /** Variables for names that are not a path. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Whether a text is not expanded. */
  readonly isVerbatim: (keys: readonly string[]) => boolean
  /** Whether the value at a path is secret, which makes values that refer to it secret. */
  readonly isSecret: SecretTest
  /** Whether the value at a path must be encrypted: a text that refers to it must be secret itself. @default none */
  readonly isGuarded?: SecretTest
}

/** A tree without placeholders. */
export interface ResolvedTree {
  /** The tree. */
  readonly tree: ConfigTree
  /** Paths of texts that contained placeholders. */
  readonly texts: ReadonlySet<string>
  /** Paths of values that contain a secret. */
  readonly secrets: ReadonlySet<string>
}

/** A placeholder that can't be resolved. The message quotes names, never values. */
export class PlaceholderError extends Error {
  /** Path of the text with the placeholder. */
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
 * Replaces `${path}` and `${NAME}` with the value at that path, otherwise with the variable of that name, and `${name:default}`
 * with the default if there is neither. Defaults can contain placeholders. A text that consists of one placeholder takes the
 * value with its type. `$${` is a literal `${`.
 *
 * @throws PlaceholderError for a placeholder without a value or closing brace, a cycle, a reference to an object or array, and
 * for results that are too long
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
    if (open.length >= maxDepth) throw new PlaceholderError(keys, `has a chain of more than ${maxDepth} references`)
    open.push(path)
    const expanded = expand(value, keys)
    open.pop()
    if (expanded.isGuarded && !isSecret(keys))
      throw new PlaceholderError(keys, 'shows a value that must be encrypted: add this path to the option secrets to allow it')
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
    // Counted before the parts are joined: each can be a large value that other texts refer to as well.
    function push(value: unknown): void {
      values.push(value)
      length += typeof value === 'string' ? value.length : 24
      if (values.length > 1 && characters + length > maxCharacters)
        throw new PlaceholderError(keys, `has placeholders that expand to more than ${maxCharacters} characters`)
    }
    while (at < text.length) {
      const start = text.indexOf('${', at)
      if (start < 0) break
      if (text[start - 1] === '$') {
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
      throw new PlaceholderError(keys, `refers to ${name}, which is not a single value`)
    if (value !== undefined) return resolveLeaf(value, target)
    const variable = Object.hasOwn(environment, name) ? environment[name] : undefined
    if (variable !== undefined) return { value: variable, isSecret: isSecret([name]), isGuarded: false }
    if (colon < 0) throw new PlaceholderError(keys, `refers to ${name}, which has no value`)
    const otherwise = reference.slice(colon + 1)
    if (isForeignName(name, otherwise))
      throw new PlaceholderError(keys, `refers to ${name}:…, the syntax of another tool: write only the name, as \${NAME}`)
    return expand(otherwise, keys, depth + 1)
  }

  return { tree: resolve(tree, []) as ConfigTree, texts, secrets }
}

/**
 * Whether a placeholder such as `${env:DB_HOST}` or `${vault:db#password}` uses the syntax of Log4j, Dubbo or Serverless. Here
 * it would have the name `env` and the default `DB_HOST`.
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
