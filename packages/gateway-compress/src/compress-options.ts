import { checkInteger, checkKnownKeys, checkNumber, checkObject, checkOneOf, checkText, invalidError } from '@sd/core'
import { type Coding, codings, isAvailable, levels } from './codings.ts'
import { type MediaTypes, readMediaTypes, usualTypes } from './media-types.ts'

/** Options of the filter on a route. */
export interface CompressOptions {
  /** Codings of responses; of those that a client prefers equally, the first is used. @default ['zstd', 'br', 'gzip'] */
  readonly encodings?: readonly Coding[]
  /**
   * Levels: `zstd` 1 to 19, `br` 0 to 11, `gzip` and `deflate` 1 to 9. Higher ones cost much more CPU.
   *
   * @default { zstd: 3, br: 4, gzip: 6, deflate: 6 }
   */
  readonly levels?: Readonly<Partial<Record<Coding, number>>>
  /** Responses with a smaller `content-length` are sent as they are. @default 1_024 (1 KiB) */
  readonly minBytes?: number
  /**
   * Types of responses: `application/json`, `text/*`, or `+json` for all with this suffix. `text/event-stream` only if it is
   * named.
   *
   * @default text, JSON, XML, JavaScript, WebAssembly and uncompressed fonts
   */
  readonly types?: readonly string[]
  /** Names of cookies; responses to requests with one of them are sent as they are. @default none */
  readonly excludeCookies?: readonly string[]
  /** Paths, exact or with `/*` at the end, whose responses are sent as they are. @default none */
  readonly excludePaths?: readonly string[]
  /** Decodes request bodies before the service gets them. @default they are forwarded as they are */
  readonly decompress?: DecompressOptions
}

/** How request bodies are decoded. */
export interface DecompressOptions {
  /** Accepted codings; others get 415. @default all of this runtime */
  readonly encodings?: readonly Coding[]
  /** Most bytes of a decoded body; a longer one gets 413. @default 10_485_760 (10 MiB) */
  readonly maxBytes?: number
  /** Most bytes of a decoded body for each received byte, beyond the first 64 KiB; more get 413. @default 100 */
  readonly maxRatio?: number
}

/** Options, prepared for requests. */
export interface ResolvedCompress {
  readonly encodings: readonly Coding[]
  readonly levels: Readonly<Record<Coding, number>>
  readonly minBytes: number
  readonly types: MediaTypes
  readonly excludeCookies: readonly string[]
  readonly excludePaths: readonly string[]
  readonly decompress: Required<DecompressOptions> | undefined
}

const keys: readonly (keyof CompressOptions)[] = [
  'encodings',
  'levels',
  'minBytes',
  'types',
  'excludeCookies',
  'excludePaths',
  'decompress',
]

/** Checks options from a table. @throws SdError `SD_INVALID` that names the field */
export function readCompressOptions(options: Readonly<Record<string, unknown>>): ResolvedCompress {
  checkKnownKeys('', options, keys)
  const { encodings, minBytes, types, excludeCookies, excludePaths, decompress } = options
  return {
    encodings: readCodings('encodings', encodings ?? ['zstd', 'br', 'gzip']),
    levels: readLevels(options['levels'] ?? {}),
    minBytes: checkInteger('minBytes', minBytes ?? 1_024, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    types: readMediaTypes('types', types ?? usualTypes),
    excludeCookies: readList('excludeCookies', excludeCookies, (field, value) => {
      const name = checkText(field, value, 100)
      if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(name)) throw invalidError(field, value, 'the name of a cookie')
      return name
    }),
    excludePaths: readList('excludePaths', excludePaths, (field, value) => {
      const path = checkText(field, value, 1_024)
      if (/^\/[^*?#%]*(?:(?<=\/)\*)?$/.test(path)) return path
      throw invalidError(field, value, 'a path such as /account or /account/*, without escapes')
    }),
    decompress: decompress === undefined ? undefined : readDecompress(checkObject('decompress', decompress)),
  }
}

function readList(path: string, values: unknown = [], check: (field: string, value: unknown) => string): readonly string[] {
  if (!Array.isArray(values) || values.length > 100) throw invalidError(path, values, 'an array of at most 100 entries')
  return values.map((value, index) => check(`${path}[${index}]`, value))
}

/** Those of the runtime: a table for Node.js is also one for Bun. */
function readCodings(path: string, values: unknown): readonly Coding[] {
  const found = readList(path, values, (field, value) => checkOneOf(field, value, codings))
  if (found.length === 0) throw invalidError(path, values, `at least one of ${codings.join(', ')}`)
  return (found as readonly Coding[]).filter(isAvailable)
}

function readLevels(value: unknown): Readonly<Record<Coding, number>> {
  const given = checkObject('levels', value)
  checkKnownKeys('levels', given, codings)
  const level = (coding: Coding): number =>
    checkInteger(`levels.${coding}`, given[coding] ?? levels[coding].usual, { min: levels[coding].min, max: levels[coding].max })
  return { zstd: level('zstd'), br: level('br'), gzip: level('gzip'), deflate: level('deflate') }
}

function readDecompress(options: Readonly<Record<string, unknown>>): Required<DecompressOptions> {
  checkKnownKeys('decompress', options, ['encodings', 'maxBytes', 'maxRatio'])
  const { encodings = codings, maxBytes = 10_485_760, maxRatio = 100 } = options
  return {
    encodings: readCodings('decompress.encodings', encodings),
    maxBytes: checkInteger('decompress.maxBytes', maxBytes, { min: 1, max: Number.MAX_SAFE_INTEGER }),
    maxRatio: checkNumber('decompress.maxRatio', maxRatio, { min: 1, max: 10_000 }),
  }
}
