import { checkFunction, checkKnownKeys, checkObject, invalidError } from '@sd/core'
import type { FilterFactory, GatewayProtocol } from '@sd/gateway'
import type { ShapedDocument } from './shaped-document.ts'

/** What routes and listeners may use, as for `createGateway`. */
export interface DocumentParts {
  /** Filters by name. @default filters and their options are not checked */
  readonly filters?: Readonly<Record<string, FilterFactory>>
  /** Protocols beside HTTP. @default protocols and their options are not checked */
  readonly protocols?: readonly GatewayProtocol[]
}

/** What a document uses by name. Its fields have been checked, each by itself. */
export interface DocumentUses {
  /** Names of the filters of routes. */
  readonly filters: readonly string[]
  /** Names of the protocols of routes and listeners, also those of HTTP. */
  readonly protocols: readonly string[]
  /** Names of the rate limiters of the document. */
  readonly rateLimiters: readonly string[]
  /** Paths of modules with further filters and protocols, as the document has them. */
  readonly plugins: readonly string[]
}

/** Loads what a document uses. @throws SdError `SD_INVALID` that names the field of the document */
export type LoadParts = (uses: DocumentUses) => Promise<DocumentParts>

/** Checks parts. @throws SdError `SD_INVALID` that names the option */
export function checkParts({ filters, protocols }: DocumentParts): DocumentParts {
  if (filters !== undefined) {
    for (const [name, factory] of Object.entries(checkObject('filters', filters))) {
      checkFunction(`filters.${name}`, factory as FilterFactory)
    }
  }
  if (protocols !== undefined && !Array.isArray(protocols)) throw invalidError('protocols', protocols, 'an array of protocols')
  return { ...(filters && { filters }), ...(protocols && { protocols }) }
}

/** Reads how the parts come, from options of a reader. @throws SdError `SD_INVALID` that names the option */
export function readLoadParts(options: DocumentParts & { readonly load?: LoadParts }): LoadParts | undefined {
  const { load, filters, protocols } = options
  if (load === undefined) return undefined
  if (filters !== undefined || protocols !== undefined) {
    throw invalidError('load', 'it with filters or protocols', 'one of the two')
  }
  checkFunction('load', load)
  return async (uses) => {
    const loaded = await load(uses)
    checkKnownKeys('', checkObject('the result of load', loaded), ['filters', 'protocols'])
    return checkParts(loaded)
  }
}

/** Finds what a document uses. */
export function usesOf({ listeners, routes, rateLimiters = {}, plugins = [] }: ShapedDocument): DocumentUses {
  const protocols = [
    ...listeners.flatMap((listener) => listener.protocols ?? []),
    ...routes.flatMap(({ match }) => match?.protocol ?? []),
  ]
  const filters = routes.flatMap((route) => (route.filters ?? []).map(({ filter }) => filter))
  return {
    filters: [...new Set(filters)],
    protocols: [...new Set<string>(protocols)],
    rateLimiters: Object.keys(rateLimiters),
    plugins,
  }
}
