import { lineNumber } from '../line-number.ts'
import { type Change, findChanges, type Operator } from './operators.ts'
import { childrenOf, type Node, parseProgram } from './syntax.ts'

/** Identifies a mutant, independent of line numbers. */
export interface MutantKey {
  /** Its file, relative to the package's folder. */
  readonly file: string
  /** The enclosing functions and methods: `createX.close`. Empty at the top of a file. */
  readonly function: string
  readonly operator: Operator
  /** The line in which it begins, trimmed. */
  readonly line: string
  /** The replaced text and its replacement. */
  readonly change: string
  /** Number, from 1, among the mutants of a function that are equal otherwise. */
  readonly occurrence?: number
}

/** One change of a package's source. */
export interface Mutant {
  /** Number in the package, from 1. */
  readonly id: number
  readonly key: MutantKey
  readonly lineNumber: number
}

/** A source with its mutants. */
export interface MutatedSource {
  readonly mutants: readonly Mutant[]
  /** The source with one mutant in effect. */
  readonly withMutant: (id: number) => string
  /** The source with calls of `globalThis.__reach`, which receive the numbers of the mutants at each place that is
   * reached, unless `globalThis.__seen` has the first of them: a loop reports a place once.
   */
  readonly recording: () => string
}

/** Finds every change of a source. */
export function mutate(file: string, text: string, firstId: number): MutatedSource {
  const program = parseProgram(file, text)
  const names = new Map<Node, string>()
  nameNodes(program, '', names)
  const changes = findChanges(text, program)
  const seen = new Map<string, number>()
  const mutants = changes.map((change, index): Mutant => {
    const { node, operator } = change
    const line = lineAt(text, node.start)
    const key: MutantKey = { file, function: names.get(node) ?? '', operator, line, change: describe(text, change) }
    const same = JSON.stringify(key)
    const occurrence = (seen.get(same) ?? 0) + 1
    seen.set(same, occurrence)
    return {
      id: firstId + index,
      key: occurrence > 1 ? { ...key, occurrence } : key,
      lineNumber: lineNumber(text, node.start),
    }
  })
  return {
    mutants,
    withMutant(id) {
      const change = changes[id - firstId]
      if (!change) throw new RangeError(`${file} has no mutant ${id}`)
      return render(text, program, (node, original) => (node === change.node ? `(${change.replacement})` : original))
    },
    recording() {
      const ids = new Map<Node, number[]>()
      for (const [index, { node }] of changes.entries()) ids.set(node, [...(ids.get(node) ?? []), firstId + index])
      const head = 'const { __seen, __reach } = globalThis; '
      return render(text, program, (node, original) => {
        const here = ids.get(node)
        if (node === program) return head + original
        if (!here) return original
        const call = `__seen[${here[0]}] || __reach(${here.join(', ')})`
        return node.type === 'ExpressionStatement' ? `${call}; ${original}` : `(${call}, (${original}))`
      })
    },
  }
}

/** The text of a node, in which `write` returns the replacement of each inner node. */
function render(text: string, node: Node, write: (node: Node, original: string) => string): string {
  let rendered = ''
  let at = node.start
  for (const child of childrenOf(node)) {
    if (child.start < at) continue
    rendered += text.slice(at, child.start) + render(text, child, write)
    at = child.end
  }
  const original = text.slice(node.start, node.end)
  rendered += text.slice(at, node.end)
  const written = write(node, rendered)
  if (node.type === 'Program') return text.slice(0, node.start) + written + text.slice(node.end)
  // A statement that now begins with a parenthesis would continue the previous one, which has no semicolon.
  return node.type === 'ExpressionStatement' && written !== original ? `{ ${written === '()' ? '' : written} }` : written
}

/** The replaced text and its replacement, on one line. */
function describe(text: string, { node, replacement }: Change): string {
  const flat = (part: string): string => part.replace(/\s+/g, ' ').trim()
  return `${flat(text.slice(node.start, node.end))} -> ${replacement === '' ? '(removed)' : flat(replacement)}`
}

function lineAt(text: string, position: number): string {
  const start = text.lastIndexOf('\n', position - 1) + 1
  const end = text.indexOf('\n', position)
  return text.slice(start, end < 0 ? undefined : end).trim()
}

/** Records the name of the enclosing function for each node. */
function nameNodes(node: Node, name: string, names: Map<Node, string>): void {
  names.set(node, name)
  for (const child of childrenOf(node)) nameNodes(child, join(name, ownName(node)), names)
}

const join = (outer: string, inner: string): string => (outer && inner ? `${outer}.${inner}` : outer || inner)

/** The name of the scope that a node opens. */
function ownName(node: Node): string {
  const nameOf = (part: unknown): string => String((part as Node | null)?.['name'] ?? '')
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return nameOf(node['id'])
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return nameOf(node['key'])
    case 'VariableDeclarator':
      return isFunction(node['init']) ? nameOf(node['id']) : ''
    case 'Property':
      return isFunction(node['value']) ? nameOf(node['key']) : ''
    default:
      return ''
  }
}

function isFunction(value: unknown): boolean {
  const type = (value as Node | null)?.type
  return type === 'ArrowFunctionExpression' || type === 'FunctionExpression'
}
