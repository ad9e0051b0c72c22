import { createServiceInstance, type InstanceSpec, SdError, type ServiceInstance } from '@sd/core'
import { isNode, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml'

/** The instances of a document, by service. */
export type Catalog = ReadonlyMap<string, readonly ServiceInstance[]>

type Path = readonly (string | number)[]

/** Returns the position of a path in a document, `3:7` for line and column, or an empty string if it is unknown. */
type Locate = (path: Path) => string

/**
 * Parses a YAML or JSON document of the form `services: { <name>: [ { address, port, … } ] }`.
 *
 * @param source name of the document in messages
 * @throws SdError `SD_MALFORMED` with the position, the actual and the expected value. Retryable, because the file can
 * be corrected
 */
export function parseCatalog(text: string, source: string): Catalog {
  const lines = new LineCounter()
  // Unique keys are checked below, because the library compares every key with every other key.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, merge: true })
  const [error] = document.errors
  if (error) {
    const { line, col } = lines.linePos(error.pos[0])
    throw malformed(`${source}:${line}:${col}: ${error.message.split('\n', 1)[0]}`, '', error)
  }
  const repeated = repeatedKey(document.contents)
  if (repeated?.range) {
    const { line, col } = lines.linePos(repeated.range[0])
    throw malformed(`${source}:${line}:${col}: Map keys must be unique`, '')
  }
  const locate: Locate = (path) => {
    for (let length = path.length; length >= 0; length--) {
      const node = document.getIn(path.slice(0, length), true)
      if (!isNode(node) || !node.range) continue
      const { line, col } = lines.linePos(node.range[0])
      return `${source}:${line}:${col}`
    }
    return source
  }
  // Such files have few aliases. A document that multiplies them is an attack.
  return readCatalog(document.toJS({ maxAliasCount: 100 }), locate)
}

/** Returns the first duplicate key, in time linear in the size of the text. */
function repeatedKey(contents: Node | null): Node | undefined {
  let repeated: Node | undefined
  visit(contents, {
    Map(_, { items }) {
      const seen = new Set<unknown>()
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key
        if (seen.has(name) && isNode(key)) {
          repeated = key
          return visit.BREAK
        }
        seen.add(name)
      }
      return undefined
    },
  })
  return repeated
}

/** Validates instances that are given as objects. @throws SdError as {@link parseCatalog} */
export function buildCatalog(instances: readonly InstanceSpec[], source: string): Catalog {
  const services: Record<string, unknown[]> = {}
  for (const spec of instances) {
    const service = String(spec?.service)
    services[service] ??= []
    services[service].push(spec)
  }
  return readCatalog({ services }, () => source)
}

/** Parses `orders=10.0.0.1:8080,10.0.0.2:8080;users=[::1]:80`. @throws SdError as {@link parseCatalog} */
export function parseCompact(text: string, source: string): Catalog {
  const instances = text
    .split(';')
    .filter((part) => part.trim() !== '')
    .flatMap((part) => {
      const [service = '', addresses = ''] = part.split('=', 2)
      return addresses.split(',').map((address) => ({ service: service.trim(), ...parseAddress(address.trim(), source) }))
    })
  return buildCatalog(instances, source)
}

function parseAddress(text: string, source: string): { readonly address: string; readonly port: number } {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+)):(?<port>\d+)$/.exec(text)
  if (!match?.groups) throw malformed(`${source}: got ${JSON.stringify(text)}, want host:port`, source)
  const { v6, host, port } = match.groups
  return { address: (v6 ?? host) as string, port: Number(port) }
}

function readCatalog(value: unknown, locate: Locate): Catalog {
  const root = checkMapping(value, [], locate)
  for (const key of Object.keys(root)) {
    if (key !== 'services') throw wrong([key], 'an unknown field', 'only the field services', locate)
  }
  const services = checkMapping(root['services'] ?? {}, ['services'], locate)
  return new Map(Object.entries(services).map(([service, list]) => [service, readService(service, list, locate)]))
}

function readService(service: string, list: unknown, locate: Locate): readonly ServiceInstance[] {
  const path = ['services', service]
  if (!Array.isArray(list)) throw wrong(path, typeof list, 'a list of instances', locate)
  const seen = new Map<string, number>()
  return list.map((entry, index) => {
    const instance = readInstance(service, entry, [...path, index], locate)
    const before = seen.get(instance.id)
    if (before !== undefined) {
      const first = locate([...path, before])
      throw wrong(
        [...path, index],
        `the duplicate id ${instance.id}`,
        `an id other than that of the instance at ${first}`,
        locate,
      )
    }
    seen.set(instance.id, index)
    return instance
  })
}

function readInstance(service: string, entry: unknown, path: Path, locate: Locate): ServiceInstance {
  const fields = checkMapping(entry, path, locate)
  try {
    return createServiceInstance({ service, ...fields } as InstanceSpec)
  } catch (error) {
    if (!(error instanceof SdError) || error.field === undefined) throw error
    const field = [...path, ...parsePath(error.field)]
    throw malformed(`${locate(field)}: ${formatPath(path)}: ${error.message}`, `${formatPath(path)}.${error.field}`, error)
  }
}

function checkMapping(value: unknown, path: Path, locate: Locate): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrong(path, Array.isArray(value) ? 'a list' : value === null ? 'nothing' : typeof value, 'a mapping', locate)
}

function wrong(path: Path, got: string, want: string, locate: Locate): SdError {
  const field = formatPath(path)
  return malformed(`${locate(path)}: Invalid ${field}: got ${got}, want ${want}`, field)
}

function malformed(message: string, field: string, cause?: unknown): SdError {
  return new SdError('SD_MALFORMED', message, { retryable: true, cause, ...(field !== '' && { field }) })
}

/** Splits a path such as `tags[1]` into its parts. */
function parsePath(text: string): Path {
  return (text.match(/[^.[\]]+/g) ?? []).map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

function formatPath(path: Path): string {
  if (path.length === 0) return 'document'
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  )
}
