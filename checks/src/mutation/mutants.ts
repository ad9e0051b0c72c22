import { type Change, findChanges, type Operator } from './operators.ts'
import { childrenOf, type Node, parseProgram } from './syntax.ts'

/** What a mutant is recognized by when lines have moved. */
export interface MutantKey {
  /** Its file, below the package's folder. */
  readonly file: string
  /** The function or method around it, with those around that: `createX.close`. Empty at the top of a file. */
  readonly function: string
  readonly operator: Operator
  /** The line that it begins in, trimmed. */
  readonly line: string
  /** What is replaced, and by what. */
  readonly change: string
  /** Which one, from 1, if a function has several that are the same in all this. */
  readonly occurrence?: number
}

/** One change of a package's source. */
export interface Mutant {
  /** Its number in the package, from 1. */
  readonly id: number
  readonly key: MutantKey
  readonly lineNumber: number
}

/** A source with all its mutants in it. */
export interface MutatedSource {
  readonly mutants: readonly Mutant[]
  /** The source, in which each change takes effect only where `globalThis.__isMutant(id)`. */
  readonly text: string
}

/** Puts every change of a source into it, behind a switch each: a run chooses one without a new build. */
export function mutate(file: string, text: string, firstId: number): MutatedSource {
  const program = parseProgram(file, text)
  const names = new Map<Node, string>()
  nameNodes(program, '', names)
  const byNode = new Map<Node, { readonly id: number; readonly change: Change }[]>()
  const seen = new Map<string, number>()
  const mutants = findChanges(text, program).map((change, index): Mutant => {
    const { node, operator } = change
    const id = firstId + index
    byNode.set(node, [...(byNode.get(node) ?? []), { id, change }])
    const key: MutantKey = {
      file,
      function: names.get(node) ?? '',
      operator,
      line: lineAt(text, node.start),
      change: describe(text, change),
    }
    const same = JSON.stringify(key)
    const occurrence = (seen.get(same) ?? 0) + 1
    seen.set(same, occurrence)
    const lineNumber = text.slice(0, node.start).split('\n').length
    return { id, key: occurrence > 1 ? { ...key, occurrence } : key, lineNumber }
  })

  function render(node: Node): string {
    let rendered = ''
    let at = node.start
    for (const child of childrenOf(node)) {
      if (child.start < at) continue
      rendered += text.slice(at, child.start) + render(child)
      at = child.end
    }
    rendered += text.slice(at, node.end)
    const switches = byNode.get(node) ?? []
    if (switches.length === 0) return rendered
    if (node.type === 'ExpressionStatement') return `{ if (!__isMutant(${switches[0]?.id})) { ${rendered}\n} }`
    return `(${switches.map(({ id, change }) => `__isMutant(${id}) ? (${change.replacement}) : `).join('')}(${rendered}))`
  }

  const head = 'const __isMutant = globalThis.__isMutant; '
  return {
    mutants,
    text: mutants.length === 0 ? text : head + text.slice(0, program.start) + render(program) + text.slice(program.end),
  }
}

/** One line that says what is replaced by what. */
function describe(text: string, { node, replacement }: Change): string {
  const flat = (part: string): string => part.replace(/\s+/g, ' ').trim()
  return `${flat(text.slice(node.start, node.end))} -> ${replacement === '' ? '(removed)' : flat(replacement)}`
}

function lineAt(text: string, position: number): string {
  const start = text.lastIndexOf('\n', position - 1) + 1
  const end = text.indexOf('\n', position)
  return text.slice(start, end < 0 ? undefined : end).trim()
}

/** Notes for each node the name of the function around it. */
function nameNodes(node: Node, name: string, names: Map<Node, string>): void {
  names.set(node, name)
  for (const child of childrenOf(node)) nameNodes(child, join(name, ownName(node)), names)
}

const join = (outer: string, inner: string): string => (outer && inner ? `${outer}.${inner}` : outer || inner)

/** The name that a node gives to what is in it. */
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
