import { checkKnownKeys, checkName } from '@sd/core'
import { isPart, type OpenApiDocument, openDocument, type Part } from './document.ts'
import { createSchemaWriter, keyText, objectText, quote, referencesOf, type SchemaWriter } from './zod-schema.ts'

/** Options of {@link generateServiceClient}. */
export interface GenerateOptions {
  /** Name under which the service is registered. */
  readonly service: string
  /** Name of the exported definition. @default the service's, in camel case */
  readonly exportName?: string
}

/** A generated module. */
export interface GeneratedClient {
  /** TypeScript that imports `@sd/operations` and `zod`. */
  readonly code: string
  /** What of the document the module does not express, a line each. */
  readonly warnings: readonly string[]
}

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] as const

/**
 * Generates a typed client of a service from an OpenAPI 3.0 or 3.1 document: a module in TypeScript with a schema of zod 4 for each schema of
 * `components`, and `defineServiceClient` with an operation for each of the document's.
 *
 * @param document the document, parsed. References lead into itself; bundle others before
 * @throws SdError `SD_INVALID` or `SD_UNSUPPORTED` for a document that is not OpenAPI 3
 */
export function generateServiceClient(document: unknown, options: GenerateOptions): GeneratedClient {
  checkKnownKeys('', options, ['service', 'exportName'])
  const service = checkName('service', options.service)
  const exportName = toIdentifier(checkName('exportName', options.exportName ?? service))
  const opened = openDocument(document)
  const warnings: string[] = []
  const warn = (message: string): void => void warnings.push(message)

  const identifiers = nameSchemas([...opened.schemas.keys()], exportName)
  const declared = new Set<string>()
  const writer = createSchemaWriter({
    identifierOf: (name) => identifiers.get(name),
    isDeclared: (name) => declared.has(name),
    warn,
  })
  const schemas: string[] = []
  for (const name of inOrderOfUse(opened)) {
    const identifier = identifiers.get(name) as string
    const expression = writer.write(opened.schemas.get(name), name)
    declared.add(name)
    // TypeScript can't infer the type of a schema that refers to itself other than by the getter of an object.
    const isCircular = expression.includes('z.lazy(')
    if (isCircular) warn(`${name}: its type is unknown to TypeScript, because it refers to itself`)
    const type = isCircular ? ': z.ZodType' : ''
    schemas.push(`export const ${identifier}${type} = ${expression}
export type ${identifier} = z.infer<typeof ${identifier}>
`)
  }
  const operations = writeOperations(opened, writer, warn)
  const used = [
    'defineServiceClient',
    ...['events', 'operation'].filter((name) => operations.some((text) => text.includes(`: ${name}(`))),
  ]
  const needsZod = schemas.length > 0 || operations.some((text) => text.includes('z.'))
  const code = [
    importText(used, '@sd/operations') + (needsZod ? importText(['z'], 'zod') : ''),
    ...schemas,
    `export const ${exportName} = defineServiceClient(${quote(service)}, {\n${operations.join('')}})\n`,
  ].join('\n')
  return { code, warnings }
}

function importText(names: readonly string[], from: string): string {
  return `import { ${names.join(', ')} } from ${quote(from)}\n`
}

function writeOperations(document: OpenApiDocument, writer: SchemaWriter, warn: (message: string) => void): readonly string[] {
  const names = new Set<string>(['then'])
  const texts: string[] = []
  for (const [path, item] of document.paths) {
    for (const method of methods) {
      if (!isPart(item[method])) continue
      const route = `${method.toUpperCase()} ${document.basePath}${path}`
      if (path.split('/').some((segment) => /[{}]/.test(segment) && !/^\{[\w-]+\}$/.test(segment))) {
        warn(`${route}: left out, because a segment of its path is only partly a parameter`)
        continue
      }
      const one = item[method]
      const name = distinct(toIdentifier(String(one['operationId'] ?? `${method} ${path}`)), names)
      names.add(name)
      const comment = typeof one['summary'] === 'string' ? `  /** ${oneLine(one['summary'])} */\n` : ''
      const text = writeOperation(route, one, item, document, writer, warn).replaceAll('\n', '\n  ')
      texts.push(`${comment}  ${keyText(name)}: ${text},\n`)
    }
  }
  return texts
}

function writeOperation(
  route: string,
  one: Part,
  item: Part,
  document: OpenApiDocument,
  writer: SchemaWriter,
  warn: (message: string) => void,
): string {
  const query = writeQuery(
    route,
    [...listOf(item['parameters']), ...listOf(one['parameters'])].map(document.resolve),
    writer,
    warn,
  )
  const response = writeResponse(route, one, document, writer)
  if (response.isEvents) {
    const options = [response.text && `data: ${response.text}`, query && `query: ${query}`]
    return `events(${quote(route)}${optionsText(options)})`
  }
  const body = writeBody(route, one, document, writer, warn)
  const options = [response.text && `response: ${response.text}`, body && `body: ${body}`, query && `query: ${query}`].filter(
    Boolean,
  )
  return `operation(${quote(route)}${optionsText(options)})`
}

function optionsText(options: readonly (string | undefined)[]): string {
  const given = options.filter((option) => option !== undefined)
  if (given.length === 0) return ''
  return given.some((option) => option.includes('\n')) ? `, ${objectText(given)}` : `, { ${given.join(', ')} }`
}

function writeQuery(
  route: string,
  parameters: readonly Part[],
  writer: SchemaWriter,
  warn: (message: string) => void,
): string | undefined {
  const fields: string[] = []
  for (const { name, in: place, required, schema } of parameters) {
    if (place === 'query') {
      const value = writer.write(schema, `${route} query ${String(name)}`)
      fields.push(`${keyText(String(name))}: ${value}${required === true ? '' : '.optional()'}`)
    } else if (place === 'header' || place === 'cookie') {
      warn(`${route}: the ${place} ${String(name)} is not an argument; give it in options.headers`)
    }
  }
  return fields.length > 0 ? `z.object(${objectText(fields)})` : undefined
}

function writeBody(
  route: string,
  one: Part,
  document: OpenApiDocument,
  writer: SchemaWriter,
  warn: (message: string) => void,
): string | undefined {
  if (one['requestBody'] === undefined) return undefined
  const { content, required } = document.resolve(one['requestBody'])
  const json = findMedia(content, isJson)
  if (!json) {
    warn(`${route}: its body is not JSON; give bytes, a stream or a form`)
    return undefined
  }
  return `${writer.write(json['schema'], `${route} body`)}${required === true ? '' : '.optional()'}`
}

function writeResponse(
  route: string,
  one: Part,
  document: OpenApiDocument,
  writer: SchemaWriter,
): { readonly text: string | undefined; readonly isEvents?: boolean } {
  const responses = isPart(one['responses']) ? one['responses'] : {}
  const status =
    Object.keys(responses)
      .sort()
      .find((code) => /^2/.test(code)) ?? (responses['default'] ? 'default' : undefined)
  if (status === undefined) return { text: undefined }
  const { content } = document.resolve(responses[status])
  const json = findMedia(content, isJson)
  if (json) return { text: json['schema'] === undefined ? undefined : writer.write(json['schema'], `${route} response`) }
  const stream = findMedia(content, (type) => type === 'text/event-stream')
  if (stream && route.startsWith('GET ')) {
    const schema = stream['itemSchema'] ?? undefined
    return { text: schema === undefined ? undefined : writer.write(schema, `${route} data`), isEvents: true }
  }
  if (findMedia(content, (type) => type.startsWith('text/'))) return { text: "'text'" }
  return { text: isPart(content) && Object.keys(content).length > 0 ? "'stream'" : "'none'" }
}

function findMedia(content: unknown, fits: (type: string) => boolean): Part | undefined {
  if (!isPart(content)) return undefined
  const found = Object.entries(content).find(([type]) => fits(type.split(';', 1)[0]?.trim().toLowerCase() ?? ''))
  return found && isPart(found[1]) ? found[1] : undefined
}

function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json')
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Schemas before those that refer to them, as far as there is no circle. */
function inOrderOfUse({ schemas }: OpenApiDocument): readonly string[] {
  const order = new Set<string>()
  const visiting = new Set<string>()
  function visit(name: string): void {
    const schema = schemas.get(name)
    if (schema === undefined || order.has(name) || visiting.has(name)) return
    visiting.add(name)
    for (const other of referencesOf(schema)) visit(other)
    order.add(name)
  }
  for (const name of schemas.keys()) visit(name)
  return [...order]
}

/** An identifier for each schema, none of them taken twice or the name of something else in the module. */
function nameSchemas(names: readonly string[], exportName: string): ReadonlyMap<string, string> {
  const taken = new Set(['z', 'events', 'operation', 'defineServiceClient', exportName])
  return new Map(
    names.map((name) => {
      const identifier = distinct(capitalize(toIdentifier(name)), taken)
      taken.add(identifier)
      return [name, identifier]
    }),
  )
}

/** Words in camel case; a leading digit gets an underscore. */
function toIdentifier(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter(Boolean)
  const text = words.map((word, index) => (index === 0 ? word[0]?.toLowerCase() + word.slice(1) : capitalize(word))).join('')
  return /^[A-Za-z]/.test(text) ? text : `_${text}`
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}

function distinct(name: string, taken: ReadonlySet<string>): string {
  let number = 2
  let found = name
  while (taken.has(found)) found = `${name}${number++}`
  return found
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('*/', '* /').trim()
}
