import { parseSync } from 'oxc-parser'

/** The parts of a syntax node that mutations read. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** The TypeScript expressions that wrap a JavaScript expression. Every other `TS…` node is a type without code. */
const wrappers = new Set(['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression', 'TSInstantiationExpression'])

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Node>).type === 'string'
}

/** Parses a TypeScript source. */
export function parseProgram(file: string, text: string): Node {
  const { program, errors } = parseSync(file, text)
  if (errors[0]) throw new Error(`${file}: ${errors[0].message}`)
  return program as unknown as Node
}

/** The executed parts of a node, in the order of the text. */
export function childrenOf(node: Node): readonly Node[] {
  const children = Object.values(node)
    .flat()
    .filter(isNode)
    .filter(({ type }) => !type.startsWith('TS') || wrappers.has(type))
  // A shorthand property names one identifier twice: the wider of two nodes at one place comes first.
  return children.sort((a, b) => a.start - b.start || b.end - a.end)
}

/** A node without parentheses and TypeScript's wrappers. */
export function bare(node: Node): Node {
  return node.type === 'ParenthesizedExpression' || wrappers.has(node.type) ? bare(node['expression'] as Node) : node
}
