import { dirname, join } from 'node:path'
import { type Comment, parseSync } from 'oxc-parser'
import type { Package } from './workspace.ts'

/** A syntax node, as far as it is looked at. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

interface Source {
  readonly text: string
  readonly body: readonly Node[]
  readonly comments: readonly Comment[]
}

/** What a package exports without saying what it is: a line each. Members of exported interfaces and classes count too. */
export function checkDocumented({ folder, sources }: Package): readonly string[] {
  const problems: string[] = []
  const parsed = new Map<string, Source>()
  function read(file: string): Source {
    const known = parsed.get(file)
    if (known) return known
    const text = sources.get(file) ?? ''
    const { program, comments } = parseSync(file, text)
    const made: Source = { text, body: program.body as unknown as readonly Node[], comments }
    parsed.set(file, made)
    return made
  }

  /** Checks what `file` exports: everything, or only `names`. */
  function visit(file: string, names: ReadonlySet<string> | undefined): void {
    const source = read(file)
    for (const node of source.body) {
      const target = (node['source'] as { value?: string } | null)?.value
      if (target?.startsWith('.')) {
        const next = join(dirname(file), target)
        if (node.type === 'ExportAllDeclaration') visit(next, names)
        else if (node.type === 'ExportNamedDeclaration') visit(next, exportedNames(node))
      } else if (node.type === 'ExportNamedDeclaration' && node['declaration']) {
        checkDeclaration(file, source, node, names)
      }
    }
  }

  function checkDeclaration(file: string, source: Source, exported: Node, names: ReadonlySet<string> | undefined): void {
    const declaration = exported['declaration'] as Node
    for (const name of declaredNames(declaration)) {
      if (names && !names.has(name)) continue
      if (!isDocumented(source, exported)) problems.push(`packages/${folder}/${file}: ${name} has no docstring`)
      for (const member of undocumentedMembers(source, declaration)) {
        problems.push(`packages/${folder}/${file}: ${name}.${member} has no docstring`)
      }
    }
  }

  visit('src/index.ts', undefined)
  return problems
}

function exportedNames(node: Node): ReadonlySet<string> {
  const specifiers = (node['specifiers'] ?? []) as readonly { readonly local: { readonly name: string } }[]
  return new Set(specifiers.map(({ local }) => local.name))
}

function declaredNames(declaration: Node): readonly string[] {
  if (declaration.type === 'VariableDeclaration') {
    return (declaration['declarations'] as readonly { id: { name: string } }[]).map(({ id }) => id.name)
  }
  return [(declaration['id'] as { name: string }).name]
}

/** Whether a docstring stands right before the node. */
function isDocumented({ text, comments }: Source, node: Node): boolean {
  return comments.some(
    ({ type, value, end }) =>
      type === 'Block' && value.startsWith('*') && end <= node.start && text.slice(end, node.start).trim() === '',
  )
}

/** Public members that must say what they are: all of an interface; of a class those that no interface describes. */
function undocumentedMembers(source: Source, declaration: Node): readonly string[] {
  const body = (declaration['body'] as { body?: readonly Node[] } | undefined)?.body ?? []
  const describedElsewhere =
    declaration.type === 'ClassDeclaration' && ((declaration['implements'] as readonly unknown[] | undefined)?.length ?? 0) > 0
  if (declaration.type !== 'TSInterfaceDeclaration' && (declaration.type !== 'ClassDeclaration' || describedElsewhere)) return []
  return body
    .filter((member) => member['accessibility'] !== 'private' && member['kind'] !== 'constructor')
    .filter((member) =>
      ['TSPropertySignature', 'TSMethodSignature', 'PropertyDefinition', 'MethodDefinition'].includes(member.type),
    )
    .filter((member) => {
      const key = member['key'] as { type: string; name?: string }
      return key.type === 'Identifier' && !isDocumented(source, member) && !isOverload(body, member, key.name ?? '')
    })
    .map((member) => (member['key'] as { name: string }).name)
}

/** Whether another member of the same name stands before it, which is documented for both. */
function isOverload(body: readonly Node[], member: Node, name: string): boolean {
  return body.some(
    (other) => other !== member && other.start < member.start && (other['key'] as { name?: string } | undefined)?.name === name,
  )
}
