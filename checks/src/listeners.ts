import { dirname, join } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import type { Package } from './workspace.ts'

/** The parts of a syntax node that this gate reads. */
interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

/** The only file that calls listeners. */
const guardFile = 'packages/core/src/async/listener.ts'

/**
 * Places where a package calls a listener of an application without `guardListener` of core, one line each. Finds calls of functions
 * named `listener`, unguarded `on…` functions in exported options, and methods with a listener under another name. Options whose
 * function returns a promise are excluded, because their package awaits it. Options of core and of connections are excluded too,
 * because packages pass them, not applications.
 */
export function checkListeners({ folder, sources }: Package): readonly string[] {
  const problems: string[] = []
  const texts = [...sources].filter(([file]) => !file.endsWith('.test.ts') && !file.includes('/testing/'))
  const whole = texts.map(([, text]) => text).join('\n')
  const exported = exportedInterfaces(sources)

  for (const [file, text] of texts) {
    const place = `packages/${folder}/${file}`
    if (place === guardFile) continue
    for (const name of calledListeners(file, text)) problems.push(`${place}: calls ${name} itself, want guardListener of core`)
  }
  const isForPackages = folder === 'core' || folder.endsWith('-kit') || folder.startsWith('connection-')
  for (const { name, file, members } of exported) {
    const place = `packages/${folder}/${file}: ${name}`
    for (const member of members) {
      const key = (member['key'] as { readonly name?: string } | undefined)?.name ?? ''
      if (!/^(on[A-Z]|subscribe$|listen$)/.test(key)) continue
      if (member.type === 'TSMethodSignature') {
        for (const parameter of functionParameters(member)) {
          if (parameter !== 'listener') problems.push(`${place}.${key} takes ${parameter}, want the name listener`)
          else if (!whole.includes('guardListener(')) problems.push(`${place}.${key}: the package guards no listener`)
        }
      } else if (!isForPackages && name.endsWith('Options') && returnsNothing(member)) {
        if (!new RegExp(`guardListener\\(\\s*'${key}'`).test(whole))
          problems.push(`${place}.${key} is not guarded: want guardListener('${key}', …)`)
      }
    }
  }
  return problems
}

function calledListeners(file: string, text: string): readonly string[] {
  // Few files name a listener. Parsing the others takes most of the time.
  if (!/\blistener\b/.test(text)) return []
  const found: string[] = []
  const visitor = new Visitor({
    CallExpression({ callee }) {
      const called = callee as unknown as Node
      if (called.type === 'Identifier' && called['name'] === 'listener') found.push('listener')
      const property = called['property'] as { readonly name?: string } | undefined
      if (called.type === 'MemberExpression' && property?.name === 'listener') found.push('.listener')
    },
  })
  visitor.visit(parseSync(file, text).program)
  return found
}

interface ExportedInterface {
  readonly name: string
  readonly file: string
  readonly members: readonly Node[]
}

/** The interfaces that `src/index.ts` exports, through re-exports. */
function exportedInterfaces(sources: ReadonlyMap<string, string>): readonly ExportedInterface[] {
  const found: ExportedInterface[] = []
  const parsed = new Map<string, readonly Node[]>()
  /** The statements of a file that index.ts may export from several times. */
  function statementsOf(file: string): readonly Node[] {
    const known = parsed.get(file)
    if (known) return known
    const text = sources.get(file) ?? ''
    const isOfUse = /\b(?:on[A-Z]\w*|subscribe|listen)\b|^export .*from '\.|^} from '\./m.test(text)
    const statements = isOfUse ? (parseSync(file, text).program.body as unknown as readonly Node[]) : []
    parsed.set(file, statements)
    return statements
  }
  function visit(file: string, names: ReadonlySet<string> | undefined): void {
    for (const node of statementsOf(file)) {
      const target = (node['source'] as { readonly value?: string } | null)?.value
      if (target?.startsWith('.')) {
        const next = join(dirname(file), target)
        const specifiers = (node['specifiers'] ?? []) as readonly { readonly local: { readonly name: string } }[]
        if (node.type === 'ExportAllDeclaration') visit(next, names)
        else if (node.type === 'ExportNamedDeclaration') visit(next, new Set(specifiers.map(({ local }) => local.name)))
        continue
      }
      const declaration = node['declaration'] as Node | null | undefined
      if (node.type !== 'ExportNamedDeclaration' || declaration?.type !== 'TSInterfaceDeclaration') continue
      const { name } = declaration['id'] as { readonly name: string }
      if (names && !names.has(name)) continue
      found.push({ name, file, members: (declaration['body'] as { readonly body: readonly Node[] }).body })
    }
  }
  visit('src/index.ts', undefined)
  return found
}

/** Names of parameters of a method that are functions without a result. */
function functionParameters(method: Node): readonly string[] {
  return (method['params'] as readonly Node[])
    .filter((parameter) => returnsNothing(parameter))
    .map((parameter) => (parameter as unknown as { readonly name: string }).name)
}

/** Whether a declaration is a function without a result, or has a listener type. */
function returnsNothing(declared: Node): boolean {
  const type = (declared['typeAnnotation'] as { readonly typeAnnotation?: Node } | null | undefined)?.typeAnnotation
  if (type?.type === 'TSTypeReference') return /Listener$/.test((type['typeName'] as { readonly name?: string }).name ?? '')
  if (type?.type !== 'TSFunctionType') return false
  const result = (type['returnType'] as { readonly typeAnnotation: Node }).typeAnnotation
  return result.type === 'TSVoidKeyword' || result.type === 'TSUnknownKeyword'
}
