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

/** One write, checked. */
export interface ConfigWrite extends OperationContext {
  /** Where. */
  readonly key: string
  /** See {@link ConfigWriteOptions.ifRevision}. */
  readonly ifRevision: string | null | undefined
  /** Who writes. */
  readonly author: string | undefined
  /** Why. */
  readonly comment: string | undefined
}

/** What an adapter knows of its backend; {@link assembleConfigSource} makes the rest. */
export interface ConfigAdapter {
  /** Name for messages, logs and metrics. */
  readonly name: string
  /** What the backend can do. */
  readonly capabilities: ConfigSourceCapabilities
  /** Reads everything once; may throw anything. Keeps `previous` where nothing changed, see `createConfigDocument`. */
  read(options: OperationContext): Promise<ConfigDocument>
  /** One session of watching, see `WatchHubOptions.session`. */
  follow(session: WatchSession<ConfigDocument>): Promise<void>
  /** Lets go of the backend, after watches have ended. */
  close(): void | Promise<void>
  /** Limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Delays between watch sessions. @default 200 ms to 4 s */
  readonly backoff?: BackoffOptions
  /** State before the first contact. @default 'disconnected' */
  readonly initialState?: ConnectionState
}

/** What an adapter that writes knows of its backend. */
export interface WritableConfigAdapter extends ConfigAdapter {
  /** Writes a text. @throws `conflictError()` if the revision is another one */
  put(content: string, write: ConfigWrite): Promise<ConfigEntry>
  /** Removes an entry. @throws likewise */
  remove(write: ConfigWrite): Promise<void>
  /** Longest text, in bytes. @default 1_048_576 */
  readonly maxBytes?: number
}

const mebibyte = 1_048_576

/** Everything that sources which can only be read have in common, on top of what is particular to one backend. */
export function assembleConfigSource(adapter: ConfigAdapter): ConfigSource {
  return createSource(adapter, createBackend(adapter))
}

/** Everything that sources which can be written to have in common, likewise. */
export function assembleWritableConfigSource(adapter: WritableConfigAdapter): WritableConfigSource {
  const { maxBytes = mebibyte } = adapter
  const backend = createBackend(adapter)
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
      // Whoever has an entry of another writer that can't be read must be able to remove it.
      const write = checkWrite(typeof key === 'string' && isConfigKey(key) ? key : checkConfigKey('key', key), options)
      await backend.operate('delete', options, ({ signal }) => adapter.remove({ ...write, signal }))
    },
    [Symbol.asyncDispose]: () => source.close(),
  }
  return source
}

/** What a write ends with whose revision is another one. */
export function conflictError(name: string, key: string): SdError {
  return new SdError('SD_CONFLICT', `${name}: ${key} was changed by somebody else`)
}

/** Compares a wanted revision with the one that is there. @throws SdError `SD_CONFLICT` */
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
