import { dirname, join } from 'node:path'
import { type Comment, parseSync } from 'oxc-parser'
import type { Package } from './workspace.ts'

/** The parts of a syntax node that this gate reads. */
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

/** Names that explain a required member of type string, number or boolean. Numbers here have no unit. */
const plainNames: ReadonlySet<string> = new Set([
  'backend',
  'code',
  'datacenter',
  'group',
  'host',
  'id',
  'key',
  'lock',
  'message',
  'method',
  'name',
  'namespace',
  'operation',
  'path',
  'port',
  'registry',
  'region',
  'service',
  'source',
  'status',
  'subset',
  'url',
  'value',
  'version',
  'zone',
])

/**
 * Lists the exports of a package, and the members of exported interfaces and classes, that lack a docstring.
 *
 * A required property needs none if a docstring could only repeat it:
 *
 * - its type is a string, number or boolean, and its name is one of `plainNames`
 * - its type is a single literal: `kind: 'cluster'`
 * - its type carries its name: `balancer: Balancer`, `call: CallContext`, `instances: readonly ServiceInstance[]`
 *
 * Methods always need one, and so do optional properties: their docstrings say what applies without them.
 */
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

/** Whether a docstring directly precedes the node. */
function isDocumented({ text, comments }: Source, node: Node): boolean {
  return comments.some(
    ({ type, value, end }) =>
      type === 'Block' && value.startsWith('*') && end <= node.start && text.slice(end, node.start).trim() === '',
  )
}

/** Public members without the docstring they need: of an interface, and of a class that implements no interface. */
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
      return (
        key.type === 'Identifier' &&
        !isDocumented(source, member) &&
        !isOverload(body, member, key.name ?? '') &&
        !explainsItself(member)
      )
    })
    .map((member) => (member['key'] as { name: string }).name)
}

/** Whether the name and the type of a member say what a docstring would. */
function explainsItself(member: Node): boolean {
  const annotation = (member['typeAnnotation'] as { typeAnnotation?: Node } | null | undefined)?.typeAnnotation
  if (!annotation || member['optional'] === true) return false
  const { name } = member['key'] as { name: string }
  if (annotation.type === 'TSLiteralType') return true
  if (['TSStringKeyword', 'TSNumberKeyword', 'TSBooleanKeyword'].includes(annotation.type)) return plainNames.has(name)
  const list = listedType(annotation)
  const type = typeName(list ?? annotation)
  if (!type) return false
  return list ? carriesName(`${type}s`, name) : carriesName(type, name)
}

/** Type of the elements if `type` is `T[]` or `readonly T[]`. */
function listedType(type: Node): Node | undefined {
  const bare = type.type === 'TSTypeOperator' ? (type['typeAnnotation'] as Node) : type
  return bare.type === 'TSArrayType' ? (bare['elementType'] as Node) : undefined
}

function typeName(type: Node): string | undefined {
  return type.type === 'TSTypeReference' ? (type['typeName'] as { name?: string }).name : undefined
}

/** Whether `type` is `name` with a capital, or a compound that begins or ends with it: `ServiceInstance` carries `instance`. */
function carriesName(type: string, name: string): boolean {
  const word = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
  return type.endsWith(word) || new RegExp(`^${word}[A-Z]`).test(type)
}

/** Whether an earlier member has the same name: its docstring covers both. */
function isOverload(body: readonly Node[], member: Node, name: string): boolean {
  return body.some(
    (other) => other !== member && other.start < member.start && (other['key'] as { name?: string } | undefined)?.name === name,
  )
}
