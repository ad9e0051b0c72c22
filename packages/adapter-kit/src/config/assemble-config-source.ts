import {
  type BackoffOptions,
  type ConfigDocument,
  type ConfigEntry,
  type ConfigSource,
  type ConfigSourceCapabilities,
  type ConfigWriteOptions,
  type ConnectionState,
  checkKnownKeys,
  checkText,
  SdError,
  type WatchSession,
  type WritableConfigSource,
} from '@sd/core'
import { type Backend, createBackend, type OperationContext } from '../backend/backend.ts'
import { checkConfigKey, checkContent, isConfigKey } from './config-document.ts'

/** A validated write. */
export interface ConfigWrite extends OperationContext {
  /** Key of the entry. */
  readonly key: string
  /** See {@link ConfigWriteOptions.ifRevision}. */
  readonly ifRevision: string | null | undefined
  /** Author of the change. */
  readonly author: string | undefined
  /** Reason for the change. */
  readonly comment: string | undefined
}

/** What an adapter implements; {@link assembleConfigSource} adds the rest. */
export interface ConfigAdapter {
  /** Name for messages, logs and metrics. */
  readonly name: string
  /** What the backend supports. */
  readonly capabilities: ConfigSourceCapabilities
  /** Reads everything once. May throw any error. Reuses `previous` if nothing changed, see `createConfigDocument`. */
  read(options: OperationContext): Promise<ConfigDocument>
  /** Runs one watch session, see `WatchHubOptions.session`. */
  follow(session: WatchSession<ConfigDocument>): Promise<void>
  /** Releases the backend, after the watches have ended. */
  close(): void | Promise<void>
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Delays between watch sessions. @default 200 ms to 4 s */
  readonly backoff?: BackoffOptions
  /** State before the first contact. @default 'disconnected' */
  readonly initialState?: ConnectionState
}

/** What an adapter that also writes implements; {@link assembleWritableConfigSource} adds the rest. */
export interface WritableConfigAdapter extends ConfigAdapter {
  /** Writes a text. @throws `conflictError()` if the revision differs */
  put(content: string, write: ConfigWrite): Promise<ConfigEntry>
  /** Removes an entry. @throws `conflictError()` if the revision differs */
  remove(write: ConfigWrite): Promise<void>
  /** Maximum length of a text, in bytes. @default 1_048_576 */
  readonly maxBytes?: number
}

const mebibyte = 1_048_576

/** Creates a read-only configuration source from an adapter: time limits, telemetry, watches, connection state and closing. */
export function assembleConfigSource(adapter: ConfigAdapter): ConfigSource {
  return createSource(adapter, createBackend({ ...adapter, role: 'config' }))
}

/** Creates a writable configuration source from an adapter. It also validates writes. */
export function assembleWritableConfigSource(adapter: WritableConfigAdapter): WritableConfigSource {
  const { maxBytes = mebibyte } = adapter
  const backend = createBackend({ ...adapter, role: 'config' })
  const source: WritableConfigSource = {
    ...createSource(adapter, backend),
    get state() {
      return backend.connection.state
    },
    async put(key, content, options = {}) {
      const write = checkWrite(checkConfigKey('key', key), options)
      checkContent('content', content, maxBytes)
      return backend.operate('put', options, ({ signal }) => adapter.put(content, { ...write, signal }))
    },
    async delete(key, options = {}) {
      // An unreadable entry of another writer must be removable too.
      const write = checkWrite(typeof key === 'string' && isConfigKey(key) ? key : checkConfigKey('key', key), options)
      await backend.operate('delete', options, ({ signal }) => adapter.remove({ ...write, signal }))
    },
    [Symbol.asyncDispose]: () => source.close(),
  }
  return source
}

/** Creates the error of a write whose revision differs. */
export function conflictError(name: string, key: string): SdError {
  return new SdError('SD_CONFLICT', `${name}: ${key} was changed by another writer`)
}

/** Compares the expected revision with the current one. @throws SdError `SD_CONFLICT` */
export function checkRevision(name: string, { key, ifRevision }: ConfigWrite, found: string | undefined): void {
  if (ifRevision !== undefined && ifRevision !== (found ?? null)) throw conflictError(name, key)
}

function createSource(adapter: ConfigAdapter, backend: Backend): ConfigSource {
  const { name, capabilities } = adapter
  const documents = backend.createHub<ConfigDocument>((_, session) => adapter.follow(session))
  return {
    name,
    capabilities,
    get state() {
      return backend.connection.state
    },
    load: (options) => backend.operate('load', options, (read) => adapter.read(read)),
    watch: (options) => documents.watch(name, options),
    close,
    [Symbol.asyncDispose]: close,
  }
  function close(): Promise<void> {
    return backend.close({ backend: () => adapter.close() })
  }
}

function checkWrite(key: string, options: ConfigWriteOptions): Omit<ConfigWrite, 'signal'> {
  checkKnownKeys('', options, ['ifRevision', 'author', 'comment', 'signal'])
  const { ifRevision, author, comment } = options
  if (ifRevision !== undefined && ifRevision !== null) checkText('ifRevision', ifRevision, 255)
  if (author !== undefined) checkText('author', author, 255)
  if (comment !== undefined) checkText('comment', comment, 4_096)
  return { key, ifRevision, author, comment }
}
