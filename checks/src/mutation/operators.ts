import { bare, childrenOf, type Node } from './syntax.ts'

/** Kinds of change. */
export type Operator = 'conditional' | 'boundary' | 'arithmetic' | 'statement' | 'await' | 'return'

/** One change of a source, without a number. */
export interface Change {
  readonly operator: Operator
  /** The node that is replaced. */
  readonly node: Node
  /** The replacement. Empty for a removed statement. */
  readonly replacement: string
}

/** The context of a node. */
interface Scope {
  readonly parent: Node | undefined
  /** Whether the node is inside a `try` block of its own function. */
  readonly isTried: boolean
  /** The annotated result type of the function, as text; empty if there is none. */
  readonly result: string
}

const opposites: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '==': '!=',
  '!=': '==',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
}
const boundaries: Readonly<Record<string, string>> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>' }
const arithmetic: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '**': '*',
  '&': '|',
  '|': '&',
  '^': '&',
  '<<': '>>',
  '>>': '<<',
  '>>>': '<<',
}
const functions = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])

/** All changes by the operators in a source, see CONTRIBUTING.md, "Mutation run". */
export function findChanges(text: string, program: Node): readonly Change[] {
  const changes: Change[] = []
  const source = ({ start, end }: Node): string => text.slice(start, end)
  const add = (operator: Operator, node: Node, ...replacements: readonly string[]): void => {
    for (const replacement of replacements) changes.push({ operator, node, replacement })
  }

  function visit(node: Node, scope: Scope): void {
    changeOf[node.type]?.(node, scope)
    for (const child of childrenOf(node)) visit(child, enter(node, child, scope))
  }

  function enter(node: Node, child: Node, scope: Scope): Scope {
    if (functions.has(node.type)) return { parent: node, isTried: false, result: resultOf(node, source) }
    if (node.type === 'TryStatement') return { ...scope, parent: node, isTried: scope.isTried || child === node['block'] }
    return { ...scope, parent: node }
  }

  /** The test of an `if` or a `?:`. */
  const changeTest = (node: Node): void => {
    const test = node['test'] as Node
    const { type, argument, operator } = bare(test)
    const negated = type === 'UnaryExpression' && operator === '!' ? source(argument as Node) : `!(${source(test)})`
    add('conditional', test, 'true', 'false', negated)
  }

  /** `node` with another operator between its sides. */
  const withOperator = ({ left, right }: Node, operator: string): string =>
    `${source(left as Node)} ${operator} ${source(right as Node)}`

  const changeOf: Readonly<Record<string, (node: Node, scope: Scope) => void>> = {
    IfStatement: changeTest,
    ConditionalExpression: changeTest,
    // Changes that make a loop endless are left out: a condition that is always true, a counter in the other direction.
    ForStatement: (node) => node['test'] && add('conditional', node['test'] as Node, 'false'),
    WhileStatement: (node) => add('conditional', node['test'] as Node, 'false'),
    DoWhileStatement: (node) => add('conditional', node['test'] as Node, 'false'),
    LogicalExpression: (node) => add('conditional', node, source(node['left'] as Node), source(node['right'] as Node)),
    BinaryExpression(node, { parent }) {
      const operator = String(node['operator'])
      const opposite = opposites[operator]
      const boundary = boundaries[operator]
      const other = arithmetic[operator]
      if (opposite && !isTestOf(node, parent)) add('conditional', node, withOperator(node, opposite))
      if (boundary) add('boundary', node, withOperator(node, boundary))
      if (other && !isText(node)) add('arithmetic', node, withOperator(node, other))
    },
    UnaryExpression(node, { parent }) {
      const argument = source(node['argument'] as Node)
      if (node['operator'] === '!' && !isTestOf(node, parent)) add('conditional', node, argument)
      if (node['operator'] === '-') add('arithmetic', node, argument)
    },
    UpdateExpression(node, { parent }) {
      if (parent?.type === 'ForStatement') return
      const operator = node['operator'] === '++' ? '--' : '++'
      const argument = source(node['argument'] as Node)
      add('arithmetic', node, node['prefix'] ? `${operator}${argument}` : `${argument}${operator}`)
    },
    AssignmentExpression(node) {
      const operator = String(node['operator'])
      const other = arithmetic[operator.slice(0, -1)]
      if (other && !isText(node['right'] as Node)) add('arithmetic', node, withOperator(node, `${other}=`))
      if (operator === '??=' || operator === '||=' || operator === '&&=') add('conditional', node, withOperator(node, '='))
    },
    CallExpression({ callee }) {
      const name = source(callee as Node)
      if (name === 'Math.min' || name === 'Math.max') {
        add('arithmetic', callee as Node, name === 'Math.min' ? 'Math.max' : 'Math.min')
      }
    },
    ExpressionStatement(node) {
      const expression = bare(node['expression'] as Node)
      const isSuper = expression.type === 'CallExpression' && (expression['callee'] as Node).type === 'Super'
      if (!isSuper && typeof node['directive'] !== 'string') add('statement', node, '')
    },
    AwaitExpression(node, { parent, isTried }) {
      // Outside of a `try`, `return await x` and `return x` are the same.
      const isLast = parent?.type === 'ReturnStatement' || parent?.type === 'ArrowFunctionExpression'
      if (!isLast || isTried) add('await', node, source(node['argument'] as Node))
    },
    ReturnStatement(node, { result }) {
      const argument = node['argument'] as Node | null
      if (argument) add('return', argument, ...constantsFor(argument, result))
    },
    ArrowFunctionExpression(node) {
      const body = node['body'] as Node
      if (body.type !== 'BlockStatement') add('return', body, ...constantsFor(body, resultOf(node, source)))
    },
  }

  visit(program, { parent: undefined, isTried: false, result: '' })
  return changes
}

/** The type that a function declares for its result. */
function resultOf(node: Node, source: (node: Node) => string): string {
  const annotation = node['returnType'] as Node | null
  if (!annotation) return ''
  const type = source(annotation).replace(/^:\s*/, '')
  return / is /.test(type) ? 'boolean' : (/^Promise<(.*)>$/s.exec(type)?.[1] ?? type)
}

function isText(node: Node): boolean {
  const { type, value, operator, left, right } = bare(node)
  if (type === 'TemplateLiteral') return true
  if (type === 'BinaryExpression' && operator === '+') return isText(left as Node) || isText(right as Node)
  return type === 'Literal' && typeof value === 'string'
}

function isTruth(node: Node): boolean {
  const { type, operator, left, right, value } = bare(node)
  if (type === 'Literal') return typeof value === 'boolean'
  if (type === 'UnaryExpression') return operator === '!'
  if (type === 'LogicalExpression') return isTruth(left as Node) && isTruth(right as Node)
  return type === 'BinaryExpression' && (String(operator) in opposites || operator === 'in' || operator === 'instanceof')
}

/** Constants that a function could return instead of `node`. */
function constantsFor(node: Node, result: string): readonly string[] {
  const { type, value, name } = bare(node)
  if (type === 'Literal' && typeof value === 'boolean') return [String(!value)]
  if (result === 'boolean' || isTruth(node)) return ['true', 'false']
  if (result === 'number' || (type === 'Literal' && typeof value === 'number')) return [value === 0 ? '1' : '0']
  if (result === 'string' || isText(node)) return [value === '' ? "'mutant'" : "''"]
  return type === 'Identifier' && name === 'undefined' ? [] : ['undefined']
}

/** Whether the test of `parent` is `node`: its negation is already there, or makes a loop endless. */
function isTestOf(node: Node, parent: Node | undefined): boolean {
  return parent?.['test'] === node
}
