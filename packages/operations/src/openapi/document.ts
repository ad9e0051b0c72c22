import { checkObject, invalidError, SdError } from '@sd/core'

/** A JSON Schema of an OpenAPI document, or a boolean. */
export type JsonSchema = boolean | { readonly [key: string]: unknown }

/** Part of a document. */
export type Part = Readonly<Record<string, unknown>>

/** Reads parts of an OpenAPI 3 document and follows its references. */
export interface OpenApiDocument {
  /** Schemas of `components`, by name. */
  readonly schemas: ReadonlyMap<string, JsonSchema>
  /** Each path with its item. */
  readonly paths: readonly (readonly [path: string, item: Part])[]
  /** Path of the first server's URL, without a slash at the end; empty if there is none. */
  readonly basePath: string
  /** The part itself, or the one that its `$ref` names. @throws SdError `SD_INVALID` for a reference to nothing, `SD_UNSUPPORTED` for one to another document */
  resolve(part: unknown): Part
}

/** Most references that lead to one part. */
const maxReferences = 32

/**
 * Opens a document.
 *
 * @throws SdError `SD_INVALID` for what is not an OpenAPI document, `SD_UNSUPPORTED` for OpenAPI 2
 */
export function openDocument(value: unknown): OpenApiDocument {
  const document = checkObject('document', value)
  const { openapi, swagger } = document
  if (swagger !== undefined) {
    throw new SdError('SD_UNSUPPORTED', `The document is OpenAPI ${String(swagger)}: convert it to OpenAPI 3 first`)
  }
  if (typeof openapi !== 'string' || !openapi.startsWith('3.')) {
    throw invalidError('document.openapi', openapi, 'a version such as 3.1.0')
  }

  function find(reference: string): unknown {
    if (!reference.startsWith('#/')) {
      throw new SdError('SD_UNSUPPORTED', `The reference ${reference} leads to another document: bundle them into one first`)
    }
    let found: unknown = document
    for (const key of reference.slice(2).split('/')) {
      const name = decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~')
      found = isPart(found) && Object.hasOwn(found, name) ? found[name] : undefined
    }
    return found
  }

  function resolve(part: unknown): Part {
    let found = part
    for (let followed = 0; followed < maxReferences; followed++) {
      if (!isPart(found)) throw invalidError('document', part, 'an object, or a $ref to one')
      if (typeof found['$ref'] !== 'string') return found
      found = find(found['$ref'])
    }
    throw invalidError('document', (part as Part)['$ref'], 'a $ref that does not lead back to itself')
  }

  const components = isPart(document['components']) ? document['components'] : {}
  const schemas = isPart(components['schemas']) ? components['schemas'] : {}
  return {
    schemas: new Map(Object.entries(schemas) as [string, JsonSchema][]),
    paths: Object.entries(checkObject('document.paths', document['paths'] ?? {})).map(([path, item]) => [path, resolve(item)]),
    basePath: readBasePath(document['servers']),
    resolve,
  }
}

/** Whether a value is an object that is not an array. */
export function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readBasePath(servers: unknown): string {
  const url = Array.isArray(servers) && isPart(servers[0]) ? servers[0]['url'] : undefined
  if (typeof url !== 'string' || url.includes('{')) return ''
  const path = URL.parse(url, 'http://service')?.pathname ?? ''
  return path.replace(/\/+$/, '')
}
