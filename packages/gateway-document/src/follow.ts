import { access, constants } from 'node:fs/promises'
import type { ClientSettings, DiscoveryDocumentSettings } from '@sd/client'
import { type Config, type ConfigError, type ConfigReport, createConfig, isConfigError } from '@sd/config'
import { createFileConfigSource } from '@sd/config-file'
import {
  type ConfigSource,
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkText,
  guardListener,
  invalidError,
  SdError,
  toSdError,
} from '@sd/core'
import type { GatewayTable } from '@sd/gateway'
import type { DocumentWarning, GatewayDocument } from './document.ts'
import {
  type DocumentProblem,
  documentError,
  type GatewayDocumentError,
  isGatewayDocumentError,
  keysOf,
  pathOf,
} from './error.ts'
import { createPreparingReader, type GatewayDocumentReaderOptions, type PreparedDocument } from './reader.ts'
import { predicateOf } from './rules/rule.ts'

/** The part of a configuration of `@sd/config` that is used. */
export type DocumentConfig = Pick<Config, 'current' | 'version' | 'changes' | 'explain' | 'reload' | 'close'>

/** Options of {@link followGatewayDocument}: exactly one of `file`, `source` and `config`. */
export interface FollowGatewayDocumentOptions extends GatewayDocumentReaderOptions {
  /** Path of a YAML or JSON file. */
  readonly file?: string
  /** Source with the document, such as one of `@sd/config-etcd`. It is closed with the document. */
  readonly source?: ConfigSource
  /** A configuration that is the document. It is not closed. */
  readonly config?: DocumentConfig
  /** Variables for placeholders such as `${REGISTRY_URL}`; not with `config`. @default process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Receives what happens to the document. Its exceptions are dropped. @default none */
  readonly onReport?: (report: GatewayDocumentReport) => void
  /** Aborts the start. */
  readonly signal?: AbortSignal
}

/** An event of a document that is followed. */
export type GatewayDocumentReport =
  | {
      /** A new document is in effect. */
      readonly kind: 'applied'
      /** Number of the version of the configuration. */
      readonly version: number
      readonly warnings: readonly DocumentWarning[]
    }
  | {
      /** The newest document was refused; the last valid one stays in effect. */
      readonly kind: 'refused'
      readonly error: SdError
    }
  | Extract<ConfigReport, { readonly kind: 'stale' | 'recovered' }>

/** What follows a document. */
export interface GatewayDocumentTargets {
  /** The gateway. */
  readonly gateway: { configure(table: GatewayTable): Promise<unknown> }
  /** The client. */
  readonly client: { configure(settings: ClientSettings): void }
  /** Discovery. */
  readonly discovery: { configure(settings: DiscoveryDocumentSettings): void }
}

/** A document that is followed. */
export interface FollowedGatewayDocument extends AsyncDisposable {
  /** The document in effect. */
  readonly current: GatewayDocument
  /** What is allowed in it and probably not meant, with lines. */
  readonly warnings: readonly DocumentWarning[]
  /** Puts each later document into effect: the table first, then settings, in one step. Call it once. */
  attach(targets: GatewayDocumentTargets): void
  /**
   * Reads the source now, and tries again to put into effect what was refused.
   *
   * @throws SdError why the document is refused or the source is unreachable
   */
  reload(): Promise<void>
  /** Stops following, and closes what it opened. Idempotent. */
  close(): Promise<void>
}

/**
 * Reads a document of a gateway and follows its changes. A document that is refused changes nothing.
 *
 * @throws GatewayDocumentError `SD_INVALID` with all problems, each with path and line; the error of an unreachable source
 */
export async function followGatewayDocument(options: FollowGatewayDocumentOptions): Promise<FollowedGatewayDocument> {
  checkKnownKeys('', checkObject('options', options), [
    'file',
    'source',
    'config',
    'environment',
    'onReport',
    'signal',
    'parts',
    'filters',
    'protocols',
    'load',
  ])
  const { parts, filters, protocols, load, onReport = () => {} } = options
  const report = guardListener('onReport', checkFunction('onReport', onReport))
  const reader = createPreparingReader({
    ...(parts && { parts }),
    ...(filters && { filters }),
    ...(protocols && { protocols }),
    ...(load && { load }),
  })
  try {
    const config = await openConfig(options, reader.schema, report)
    const document = new FollowedDocument({ config, isOwn: options.config === undefined, reader, report })
    await document.start()
    return document
  } catch (error) {
    await reader.close()
    throw isConfigError(error) ? fromConfigError(error) : error
  }
}

interface FollowParts {
  readonly config: DocumentConfig
  readonly isOwn: boolean
  readonly reader: ReturnType<typeof createPreparingReader>
  readonly report: (report: GatewayDocumentReport) => void
}

class FollowedDocument implements FollowedGatewayDocument {
  readonly #parts: FollowParts
  readonly #ending = new AbortController()
  #current: GatewayDocument | undefined
  #targets: GatewayDocumentTargets | undefined
  /** The values of the document in effect. */
  #applied: unknown
  #warnings: readonly DocumentWarning[] = []
  #last: Promise<void> = Promise.resolve()

  constructor(parts: FollowParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const { config, isOwn } = this.#parts
    try {
      this.#applied = config.current
      const prepared = await this.#prepare(config.current)
      this.#current = prepared.finish()
      this.#warnings = prepared.warnings
    } catch (error) {
      if (isOwn) await config.close()
      throw error
    }
  }

  get current(): GatewayDocument {
    return this.#current as GatewayDocument
  }

  get warnings(): readonly DocumentWarning[] {
    const { config } = this.#parts
    return this.#warnings.map((warning) => ({ ...warning, ...placeOf(config, warning.path) }))
  }

  attach(targets: GatewayDocumentTargets): void {
    if (this.#targets) throw invalidError('targets', 'a second call', 'one call of attach')
    this.#targets = targets
    void this.#follow()
  }

  async reload(): Promise<void> {
    try {
      await this.#parts.config.reload()
    } catch (error) {
      throw isConfigError(error) ? fromConfigError(error) : error
    }
    await this.#apply()
  }

  async close(): Promise<void> {
    this.#ending.abort()
    const { config, isOwn, reader } = this.#parts
    if (isOwn) await config.close()
    await this.#last
    await reader.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #follow(): Promise<void> {
    // What changed before `attach`.
    await this.#apply().catch(() => undefined)
    for await (const _ of this.#parts.config.changes({ signal: this.#ending.signal })) await this.#apply().catch(() => undefined)
  }

  /** Puts the newest document into effect, one after the other. @throws SdError why it was refused; it has been reported */
  #apply(): Promise<void> {
    const applying = this.#last.then(() => this.#replace())
    this.#last = applying.catch(() => undefined)
    return applying
  }

  async #replace(): Promise<void> {
    const { config, report } = this.#parts
    const { current: values, version } = config
    const targets = this.#targets
    if (!targets || values === this.#applied || this.#ending.signal.aborted) return
    try {
      const prepared = await this.#prepare(values)
      await this.#put(targets, prepared)
      this.#applied = values
    } catch (caught) {
      const error = toSdError(caught, 'SD_INVALID', 'The document')
      report({ kind: 'refused', error })
      throw error
    }
    report({ kind: 'applied', version, warnings: this.warnings })
  }

  async #put({ gateway, client, discovery }: GatewayDocumentTargets, prepared: PreparedDocument): Promise<void> {
    const previous = this.current
    try {
      await gateway.configure(prepared.table)
    } catch (error) {
      throw withPlace(this.#parts.config, error)
    }
    const next = prepared.finish()
    try {
      client.configure(next.settings.client)
      discovery.configure(next.settings.discovery)
    } catch (error) {
      client.configure(previous.settings.client)
      await gateway.configure(previous.table)
      throw error
    }
    this.#current = next
    this.#warnings = prepared.warnings
  }

  async #prepare(values: unknown): Promise<PreparedDocument> {
    const { config, reader } = this.#parts
    try {
      return await reader.prepare(values)
    } catch (error) {
      throw withPlace(config, error)
    }
  }
}

async function openConfig(
  { file, source, config, environment, signal }: FollowGatewayDocumentOptions,
  schema: ReturnType<typeof createPreparingReader>['schema'],
  report: (report: GatewayDocumentReport) => void,
): Promise<DocumentConfig> {
  const given = Object.entries({ file, source, config }).filter(([, value]) => value !== undefined)
  const [first, second] = given
  if (!first || second)
    throw invalidError('file', first ? `${first[0]} and ${second?.[0]}` : undefined, 'one of file, source and config')
  if (config) return config
  const opened = source ?? (await openFile(checkText('file', file, 4_096)))
  return createConfig({
    sources: [opened],
    schema,
    closeSources: 'always',
    name: 'gateway',
    onReport: (event) => forwardReport(event, report),
    ...(environment && { environment }),
    ...(signal && { signal }),
  })
}

/** The source waits for a file that is missing, in case it is being mounted; a wrong path should fail now. */
async function openFile(path: string): Promise<ConfigSource> {
  try {
    await access(path, constants.R_OK)
  } catch (error) {
    throw new SdError('SD_NOT_FOUND', `${path} can't be read: ${(error as NodeJS.ErrnoException).code}`, { cause: error })
  }
  return createFileConfigSource({ path, name: 'file' })
}

function forwardReport(event: ConfigReport, report: (report: GatewayDocumentReport) => void): void {
  if (event.kind === 'stale' || event.kind === 'recovered') report(event)
  else if (event.kind === 'refused') {
    report({ kind: 'refused', error: isConfigError(event.error) ? fromConfigError(event.error) : event.error })
  }
}

/** The problems that a configuration found, by their place in the document. */
function fromConfigError(error: ConfigError): GatewayDocumentError {
  const problems = error.failures.map(
    ({ key, line, field, message }): DocumentProblem => ({ path: pathOf(field?.split('.') ?? []), key, line, message }),
  )
  return documentError(problems, error)
}

/** The error with the lines of its problems. */
function withPlace(config: DocumentConfig, error: unknown): unknown {
  if (isGatewayDocumentError(error)) {
    return documentError(error.problems.map((problem) => ({ ...problem, ...placeOf(config, problem.path) })))
  }
  if (!(error instanceof SdError) || error.code !== 'SD_INVALID' || error.field === undefined) return error
  const path = error.field
  return documentError([{ path, ...placeOf(config, path), message: predicateOf(error) }], error)
}

function placeOf(config: DocumentConfig, path: string): { readonly key?: string; readonly line?: number } {
  for (let keys = keysOf(path); keys.length > 0; keys = keys.slice(0, -1)) {
    const { key, line } = config.explain(keys.join('.'))
    if (key !== undefined) return { key, ...(line !== undefined && { line }) }
  }
  return {}
}
