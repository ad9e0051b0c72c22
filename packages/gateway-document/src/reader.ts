import { createSettingsReader, type SettingsParts, type SettingsReader } from '@sd/client'
import { checkKnownKeys, checkObject, SdError } from '@sd/core'
import type { GatewayTable } from '@sd/gateway'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { AdminPart, DocumentWarning, DrainPart, GatewayDocument, ObservePart } from './document.ts'
import { documentError, isGatewayDocumentError, keysOf, pathOf, toDocumentProblem } from './error.ts'
import { migrate } from './migrate.ts'
import { checkParts, type DocumentParts, type LoadParts, readLoadParts, usesOf } from './parts.ts'
import { checkReferences } from './references.ts'
import { documentRule } from './rules/document-rules.ts'
import { type PlainObject, type Problem, predicateOf } from './rules/rule.ts'
import type { ShapedDocument } from './shaped-document.ts'
import { toTable } from './to-table.ts'

/** Options of {@link createGatewayDocumentReader}. */
export interface GatewayDocumentReaderOptions extends DocumentParts {
  /** Policies and balancers that services may use, from the packages that you have installed. @default none */
  readonly parts?: SettingsParts
  /**
   * Loads filters and protocols when a document uses them, for programs that do not have all of them in memory: instead of
   * `filters` and `protocols`. `read` and `warnings` can't wait for it, and check neither.
   *
   * @default a document may have no `plugins`
   */
  readonly load?: LoadParts
}

/** Reads documents of a gateway. */
export interface GatewayDocumentReader {
  /**
   * Checks a document: plain data, parsed from YAML or JSON. The same settings as in the previous document yield the same
   * policies, so that they keep their state.
   *
   * @throws GatewayDocumentError `SD_INVALID` with all problems
   */
  read(document: unknown): GatewayDocument
  /** What is allowed in a document and probably not meant. Call it with a document that `read` accepts. */
  warnings(document: unknown): readonly DocumentWarning[]
  /** The same check as a schema for `createConfig` of `@sd/config`, which adds lines. Its output is the document as plain data. */
  readonly schema: StandardSchemaV1
  /** Closes the rate limiters that it created. Idempotent. */
  close(): Promise<void>
}

/** A document that has been checked, before its settings replace those of the previous one. */
export interface PreparedDocument {
  readonly table: GatewayTable
  readonly warnings: readonly DocumentWarning[]
  /** Creates the settings. */
  finish(): GatewayDocument
}

/** The reader, with what {@link followGatewayDocument} needs. */
export interface PreparingReader extends GatewayDocumentReader {
  /** Checks a document completely, and changes nothing. @throws GatewayDocumentError */
  prepare(document: unknown): Promise<PreparedDocument>
}

const defaultObserve: Required<ObservePart> = {
  address: '127.0.0.1:9464',
  livePath: '/health/live',
  readyPath: '/health/ready',
  accessLog: 'json',
}
const defaultAdminAddress = '127.0.0.1:9465'
const defaultDrain: Required<DrainPart> = { propagationDelayMs: 1_000, timeoutMs: 10_000 }

/** A document of the current version whose fields and references are valid. */
interface CheckedDocument extends ShapedDocument {
  readonly name?: string
  readonly registry?: GatewayDocument['registry']
  readonly discovery?: PlainObject
  readonly observe?: ObservePart
  readonly admin?: AdminPart
  readonly drain?: DrainPart
  readonly register?: NonNullable<GatewayDocument['register']>
}

/** A document that has been checked, with what is probably not meant. */
interface Checked {
  readonly document: CheckedDocument
  readonly warnings: readonly DocumentWarning[]
}

/** Creates a reader of documents. @throws SdError `SD_INVALID` that names the option */
export function createGatewayDocumentReader(options: GatewayDocumentReaderOptions = {}): GatewayDocumentReader {
  const { read, warnings, schema, close } = createPreparingReader(options)
  return { read, warnings, schema, close }
}

/** Creates a reader of documents that also prepares them. @throws SdError `SD_INVALID` that names the option */
export function createPreparingReader(options: GatewayDocumentReaderOptions): PreparingReader {
  checkKnownKeys('', checkObject('options', options), ['parts', 'filters', 'protocols', 'load'])
  const { parts = {} } = options
  const load = readLoadParts(options)
  const given = checkParts(options)
  const live = createSettingsReader(parts)

  /** Migrates a document, and checks its fields, each by itself. */
  function checkShape(value: unknown): Checked {
    const problems: Problem[] = []
    const warnings: DocumentWarning[] = []
    const migrated = migrate(value, (keys, message) => void warnings.push({ path: pathOf(keys), message }))
    if ('problem' in migrated) throw documentError([toDocumentProblem(migrated.problem)])
    documentRule.check(migrated.document, [], (problem) => void problems.push(problem))
    const document = migrated.document as unknown as CheckedDocument
    if (document.plugins && !load) problems.push({ keys: ['plugins'], message: 'is only for programs that load them' })
    if (problems.length > 0) throw documentError(problems.map(toDocumentProblem))
    return { document, warnings }
  }

  function check({ document, warnings }: Checked, used: DocumentParts): Checked {
    const problems: Problem[] = []
    const found: DocumentWarning[] = []
    checkReferences(document, {
      parts: used,
      report: (problem) => void problems.push(problem),
      warn: (keys, message) => void found.push({ path: pathOf(keys), message }),
    })
    if (problems.length > 0) throw documentError(problems.map(toDocumentProblem))
    return { document, warnings: [...warnings, ...found] }
  }

  /** Checks the settings too, with a reader of its own: a document that is refused must not change the policies in effect. */
  async function checkAll(value: unknown): Promise<Checked> {
    const shaped = checkShape(value)
    const { document } = shaped
    const checked = check(shaped, load ? await loadParts(document, load) : given)
    const scratch = createSettingsReader(parts)
    try {
      readSettings(document, scratch)
      await checkRateLimiters(document, parts)
      return checked
    } finally {
      await scratch.close()
    }
  }

  async function validate(value: unknown): Promise<StandardSchemaV1.Result<unknown>> {
    try {
      return { value: (await checkAll(value)).document }
    } catch (error) {
      if (!isGatewayDocumentError(error)) throw error
      return { issues: error.problems.map(({ path, message }) => ({ path: keysOf(path), message })) }
    }
  }

  function finish(document: CheckedDocument, table: GatewayTable): GatewayDocument {
    const { name, registry, rateLimiters = {}, affinityKeys = [], observe, admin, drain, register, workers = 1 } = document
    return {
      name,
      table,
      settings: readSettings(document, live),
      registry,
      rateLimiters,
      affinityKeys,
      observe: { ...defaultObserve, ...observe },
      admin: admin && { address: defaultAdminAddress, ...admin },
      drain: { ...defaultDrain, ...drain },
      register,
      workers,
    }
  }

  return {
    read(value) {
      const { document } = check(checkShape(value), given)
      return finish(document, toTable(document))
    },
    async prepare(value) {
      const { document, warnings } = await checkAll(value)
      const table = toTable(document)
      return { table, warnings, finish: () => finish(document, table) }
    },
    warnings: (value) => check(checkShape(value), given).warnings,
    schema: { '~standard': { version: 1, vendor: 'sd', validate } },
    close: live.close,
  }
}

/** @throws GatewayDocumentError for what can't be loaded */
async function loadParts(document: CheckedDocument, load: LoadParts): Promise<DocumentParts> {
  try {
    return await load(usesOf(document))
  } catch (error) {
    if (!(error instanceof SdError) || error.field === undefined) throw error
    throw documentError([{ path: error.field, message: predicateOf(error) }], error)
  }
}

/** The package of the limiter checks its options. @throws GatewayDocumentError */
async function checkRateLimiters({ rateLimiters = {} }: CheckedDocument, { rateLimiter: create }: SettingsParts): Promise<void> {
  for (const [name, options] of Object.entries(rateLimiters)) {
    const path = `rateLimiters.${name}`
    if (!create) throw documentError([{ path, message: 'needs the part rateLimiter, which this program does not have' }])
    try {
      await create(options as never).close()
    } catch (error) {
      if (!(error instanceof SdError) || error.field === undefined) throw error
      throw documentError([{ path: `${path}.${error.field}`, message: predicateOf(error) }], error)
    }
  }
}

/** Creates the settings of client and discovery. @throws GatewayDocumentError */
function readSettings(
  { defaults = {}, services = {}, discovery = {} }: CheckedDocument,
  reader: SettingsReader,
): GatewayDocument['settings'] {
  try {
    return reader.read({ ...defaults, services, discovery })
  } catch (error) {
    if (!(error instanceof SdError) || error.field === undefined) throw error
    const isOfOne = /^(services|discovery)\b/.test(error.field)
    const path = isOfOne ? error.field : `defaults.${error.field}`
    throw documentError([{ path, message: predicateOf(error) }], error)
  }
}
