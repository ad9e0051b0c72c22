import { isPart, type JsonSchema, type Part } from './document.ts'

/** Where schemas are written. */
export interface SchemaWriter {
  /** The expression of zod for a schema. @param where for warnings */
  write(schema: unknown, where: string): string
}

/** What a writer needs to know. */
export interface SchemaWriterOptions {
  /** Identifier of a schema of `components`, or `undefined` if there is none. */
  readonly identifierOf: (name: string) => string | undefined
  /** Whether the schema of that name is declared further up, so that it can be used at once. */
  readonly isDeclared: (name: string) => boolean
  /** Reports what could not be expressed. */
  readonly warn: (message: string) => void
}

const schemaPrefix = '#/components/schemas/'

const stringFormats: Readonly<Record<string, string>> = {
  'date-time': 'z.iso.datetime({ offset: true })',
  date: 'z.iso.date()',
  time: 'z.iso.time()',
  email: 'z.email()',
  uuid: 'z.uuid()',
  uri: 'z.url()',
  ipv4: 'z.ipv4()',
  ipv6: 'z.ipv6()',
}

/** Keywords that change which values are valid, and that are not expressed. */
const unsupported = [
  'not',
  'if',
  'patternProperties',
  'dependentSchemas',
  'unevaluatedProperties',
  'contains',
  'propertyNames',
  'uniqueItems',
  'multipleOf',
]

/** Writes JSON Schemas of OpenAPI 3.0 and 3.1 as expressions of zod 4. */
export function createSchemaWriter({ identifierOf, isDeclared, warn }: SchemaWriterOptions): SchemaWriter {
  function write(schema: unknown, where: string): string {
    if (schema === false) return 'z.never()'
    if (!isPart(schema)) return 'z.unknown()'
    if (typeof schema['$ref'] === 'string') return writeReference(schema['$ref'], where)
    for (const key of unsupported) if (schema[key] !== undefined) warn(`${where}: ${key} is not checked`)
    const base = writeBase(schema, where)
    return isNullable(schema) && base !== 'z.unknown()' && base !== 'z.null()' ? `${base}.nullable()` : base
  }

  function writeReference(reference: string, where: string): string {
    const name = reference.startsWith(schemaPrefix) ? decodeURIComponent(reference.slice(schemaPrefix.length)) : ''
    const identifier = identifierOf(name)
    if (identifier === undefined) {
      warn(`${where}: ${reference} leads nowhere, so the value is not checked`)
      return 'z.unknown()'
    }
    return isDeclared(name) ? identifier : `z.lazy(() => ${identifier})`
  }

  function writeBase(schema: Part, where: string): string {
    if ('const' in schema) return `z.literal(${literal(schema['const'])})`
    if (Array.isArray(schema['enum'])) return writeEnum(schema['enum'])
    const parts: string[] = []
    const types = typesOf(schema).filter((type) => type !== 'null')
    if (types.length > 0) parts.push(union(types.map((type) => writeType(type, schema, where))))
    else if (typesOf(schema).length > 0) return 'z.null()'
    for (const key of ['anyOf', 'oneOf'] as const) {
      const list = schema[key]
      if (Array.isArray(list) && list.length > 0) parts.push(union(list.map((one) => write(one, where))))
    }
    if (Array.isArray(schema['allOf'])) parts.push(...schema['allOf'].map((one) => write(one, where)))
    const [first = 'z.unknown()', ...rest] = parts.filter((part) => part !== 'z.unknown()')
    return rest.reduce((all, part) => `${all}.and(${part})`, first)
  }

  function writeType(type: string, schema: Part, where: string): string {
    switch (type) {
      case 'string':
        return writeString(schema)
      case 'integer':
        return `z.int()${writeRange(schema)}`
      case 'number':
        return `z.number()${writeRange(schema)}`
      case 'boolean':
        return 'z.boolean()'
      case 'array':
        return writeArray(schema, where)
      case 'object':
        return writeObject(schema, where)
      default:
        warn(`${where}: the type ${type} is unknown, so the value is not checked`)
        return 'z.unknown()'
    }
  }

  function writeArray(schema: Part, where: string): string {
    const size = writeSize(schema['minItems'], schema['maxItems'])
    const first = schema['prefixItems']
    if (!Array.isArray(first)) return `z.array(${write(schema['items'], `${where}[]`)})${size}`
    const rest = schema['items'] === false ? '' : `, ${write(schema['items'], `${where}[]`)}`
    return `z.tuple([${first.map((one) => write(one, `${where}[]`)).join(', ')}]${rest})`
  }

  function writeObject(schema: Part, where: string): string {
    const properties = isPart(schema['properties']) ? Object.entries(schema['properties']) : []
    const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
    const more = schema['additionalProperties']
    if (properties.length === 0) {
      return more === false ? 'z.object({})' : `z.record(z.string(), ${write(more ?? true, `${where}.*`)})`
    }
    const fields = properties.map(([name, property]) => {
      const value = `${write(property, `${where}.${name}`)}${required.has(name) ? '' : '.optional()'}`
      const key = keyText(name)
      // A getter is evaluated later: the schema may be declared below, or be this one.
      return value.includes('z.lazy(')
        ? `get ${key}() { return ${value.replaceAll(/z\.lazy\(\(\) => (\w+)\)/g, '$1')} }`
        : `${key}: ${value}`
    })
    const rest = isPart(more) ? `.catchall(${write(more, `${where}.*`)})` : ''
    return `z.object(${objectText(fields)})${rest}`
  }

  return { write }
}

function writeString(schema: Part): string {
  const { format, pattern } = schema as { readonly format?: unknown; readonly pattern?: unknown }
  const base = (typeof format === 'string' && Object.hasOwn(stringFormats, format) && stringFormats[format]) || 'z.string()'
  const size = writeSize(schema['minLength'], schema['maxLength'])
  return `${base}${size}${typeof pattern === 'string' ? `.regex(new RegExp(${quote(pattern)}, 'u'))` : ''}`
}

function writeSize(least: unknown, most: unknown): string {
  return `${typeof least === 'number' ? `.min(${least})` : ''}${typeof most === 'number' ? `.max(${most})` : ''}`
}

function writeRange(schema: Part): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  // In OpenAPI 3.0 the exclusive ones are flags of the others.
  const range = [
    [exclusiveMinimum === true ? 'gt' : 'gte', minimum],
    [exclusiveMaximum === true ? 'lt' : 'lte', maximum],
    ['gt', exclusiveMinimum],
    ['lt', exclusiveMaximum],
  ]
  return range.map(([name, value]) => (typeof value === 'number' ? `.${name}(${value})` : '')).join('')
}

function writeEnum(values: readonly unknown[]): string {
  return values.length === 1 ? `z.literal(${literal(values[0])})` : `z.literal([${values.map(literal).join(', ')}])`
}

function literal(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  return typeof value === 'object' && value !== null ? 'undefined' : JSON.stringify(value)
}

function typesOf(schema: Part): readonly string[] {
  const { type } = schema
  if (Array.isArray(type)) return type.map(String)
  if (typeof type === 'string') return [type]
  // Many documents leave out what the other keywords imply.
  if (schema['properties'] !== undefined || schema['additionalProperties'] !== undefined) return ['object']
  return schema['items'] !== undefined || schema['prefixItems'] !== undefined ? ['array'] : []
}

function isNullable(schema: Part): boolean {
  return schema['nullable'] === true || (Array.isArray(schema['type']) && schema['type'].includes('null'))
}

function union(parts: readonly string[]): string {
  const different = [...new Set(parts)]
  return different.length === 1 ? (different[0] as string) : `z.union([${different.join(', ')}])`
}

/** The name as a key of an object literal. */
export function keyText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name)
}

/** Text as a literal in single quotes. */
export function quote(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

/** An object literal with a line for each field. */
export function objectText(fields: readonly string[]): string {
  return `{\n${fields.map((field) => `  ${field.replaceAll('\n', '\n  ')},\n`).join('')}}`
}

/** Names of the schemas of `components` that a schema refers to, at any depth. */
export function referencesOf(schema: JsonSchema): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) visit(one)
    else if (isPart(value)) {
      const reference = value['$ref']
      if (typeof reference === 'string' && reference.startsWith(schemaPrefix))
        names.add(decodeURIComponent(reference.slice(schemaPrefix.length)))
      for (const one of Object.values(value)) visit(one)
    }
  }
  visit(schema)
  return names
}
