import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar, type YAMLMap } from 'yaml'
import type { ConfigTree } from '../config-tree.ts'
import { isFinerThanDates, notFinite, numberProblem, tooFine, unsafeInteger } from './numbers.ts'
import { checkNewlines, TextError } from './text-error.ts'
import { createTextBuilder, type TextTree } from './text-tree.ts'

/** Maximum number of aliases that are followed, including aliases in repeated content. */
const maxAliases = 1_000

/**
 * Parses one YAML 1.2 document of the core schema, which includes JSON, with merge keys (`<<`, as in YAML 1.1, Spring, Ruby and
 * Helm). Tags create only plain values, keys are unique, and aliases are bounded, so that a small text can't become a large one.
 *
 * @throws TextError with the place
 */
export function parseYaml(text: string): TextTree {
  checkNewlines(text)
  const counter = new LineCounter()
  // Unique keys are checked here, because the library compares every key with every other one.
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    logLevel: 'error',
    stringKeys: true,
    uniqueKeys: false,
    intAsBigInt: true,
  })
  // An unknown tag is only a warning and its value a string, which is not what the author intended.
  const [problem] = [...document.errors, ...document.warnings]
  if (problem) {
    const { line, col } = counter.linePos(problem.pos[0])
    // The message may quote the text; the code does not.
    throw new TextError(`is not valid YAML: ${problem.code.toLowerCase().replaceAll('_', ' ')}`, line, col)
  }

  return new YamlReader(counter).read(document.contents)
}

/** Turns the nodes of one document into plain values. */
class YamlReader {
  readonly #counter: LineCounter
  readonly #builder = createTextBuilder()
  readonly #anchors = new Map<string, Node>()
  readonly #targets = new Map<unknown, Node>()
  /** The ancestors of the current node. */
  readonly #open = new Set<unknown>()
  #aliases = 0

  constructor(counter: LineCounter) {
    this.#counter = counter
  }

  read(contents: unknown): TextTree {
    try {
      return this.#builder.finish(this.#toValue(contents ?? null, 0, false) ?? {})
    } catch (error) {
      throw error instanceof TextError ? error : new TextError('is not valid YAML')
    }
  }

  #lineOf(node: unknown): number | undefined {
    const range = (node as Node | null)?.range
    return range ? this.#counter.linePos(range[0]).line : undefined
  }

  /** The target of an alias. An alias refers to the last anchor of its name before it, so it is resolved when first visited. */
  #follow(node: unknown): unknown {
    if (!isAlias(node)) return node
    if (++this.#aliases > maxAliases) throw new TextError(`has more than ${maxAliases} aliases`, this.#lineOf(node))
    const target = this.#targets.get(node) ?? this.#anchors.get(node.source)
    if (!target) throw new TextError('has an alias without an anchor', this.#lineOf(node))
    this.#targets.set(node, target)
    if (this.#open.has(target)) throw new TextError('has an alias that refers to itself', this.#lineOf(node))
    return target
  }

  #toValue(given: unknown, depth: number, isRepeated: boolean): unknown {
    const node = this.#follow(given)
    const isCopy = isRepeated || node !== given
    const line = this.#lineOf(given)
    this.#builder.checkDepth(depth, line)
    if (!isCopy) this.#note(node)
    if (isScalar(node)) return toScalar(node, line)
    if (node === null) return null
    this.#open.add(node)
    const value = isMap(node)
      ? this.#fillMap({}, node, depth, isCopy)
      : isSeq(node)
        ? this.#fillList(node.items, depth, isCopy)
        : undefined
    this.#open.delete(node)
    if (value === undefined) throw new TextError('has a value that is neither text, number, boolean, null, list nor object', line)
    return value
  }

  #note(node: unknown): void {
    const anchor = (node as Node | null)?.anchor
    if (anchor !== undefined) this.#anchors.set(anchor, node as Node)
  }

  #fillList(items: readonly unknown[], depth: number, isCopy: boolean): unknown[] {
    const list: unknown[] = []
    for (const item of items) {
      const value = isPair(item)
        ? this.#fillMap({}, { items: [item] }, depth + 1, isCopy)
        : this.#toValue(item, depth + 1, isCopy)
      this.#builder.add(list, '', value, this.#lineOf(isPair(item) ? item.key : item))
    }
    return list
  }

  #fillMap(tree: ConfigTree, { items }: Pick<YAMLMap, 'items'>, depth: number, isCopy: boolean): ConfigTree {
    const merges = items.filter(({ key }) => isMergeKey(key))
    // Own keys win over merged ones, regardless of their order in the text.
    const own = new Set(merges.length > 0 ? items.map(({ key }) => (isMergeKey(key) ? undefined : keyOf(key))) : [])
    if (merges[1]) throw new TextError('has a key twice', this.#lineOf(merges[1].key))
    for (const { key, value } of items) {
      this.#note(key)
      if (isMergeKey(key)) this.#merge(tree, own, value, depth, this.#lineOf(key))
      else this.#builder.add(tree, keyOf(key), this.#toValue(value, depth + 1, isCopy), this.#lineOf(key))
    }
    return tree
  }

  #merge(tree: ConfigTree, own: ReadonlySet<unknown>, value: unknown, depth: number, line: number | undefined): void {
    // Anchors inside the merged value are defined at this place.
    this.#noteAll(value)
    const target = this.#follow(value)
    for (const item of isSeq(target) ? target.items : [target]) {
      const source = this.#follow(item)
      if (!isMap(source)) throw new TextError('merges a value with << that is not an object', line)
      this.#builder.checkDepth(depth + this.#open.size, line)
      this.#open.add(source)
      const merged = this.#fillMap({}, source, depth, true)
      this.#open.delete(source)
      for (const [key, inner] of Object.entries(merged)) {
        if (!own.has(key) && !Object.hasOwn(tree, key)) this.#builder.add(tree, key, inner, line)
      }
    }
  }

  #noteAll(node: unknown): void {
    this.#note(node)
    const items: readonly unknown[] = isMap(node) || isSeq(node) ? node.items : []
    for (const item of items) this.#noteAll(isPair(item) ? item.value : item)
  }
}

function isMergeKey(key: unknown): boolean {
  if (!isScalar(key)) return false
  return typeof key.value === 'symbol' || (key.value === '<<' && (key.type === undefined || key.type === 'PLAIN'))
}

function keyOf(key: unknown): string {
  return isScalar(key) ? String(key.value ?? '') : String(key)
}

function toScalar({ value, source = '' }: Scalar, line: number | undefined): unknown {
  if (value instanceof Date) {
    if (isFinerThanDates(source)) throw new TextError(tooFine, line)
    return value.toISOString()
  }
  if (typeof value === 'bigint') {
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw new TextError(unsafeInteger, line)
    return number
  }
  if (typeof value === 'number') {
    const problem = Number.isFinite(value) ? numberProblem(source, value) : notFinite
    if (problem) throw new TextError(problem, line)
    return value
  }
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'boolean') return value
  throw new TextError('has a value that is neither text, number, boolean, null, list nor object', line)
}
