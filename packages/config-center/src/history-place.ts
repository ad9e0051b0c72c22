import { basename, dirname } from 'node:path'
import { historyPlaceOf } from '@sd/config-history'
import { checkText, invalidError, SdError } from '@sd/core'
import type { ConfigSourceConfig } from './source-types.ts'

/** Where the history of one entry is: in an entry of another source, in a file, or in memory. */
export type HistoryPlace =
  | { readonly kind: 'source'; readonly config: ConfigSourceConfig; readonly key: string }
  | { readonly kind: 'file'; readonly directory: string; readonly key: string }
  | { readonly kind: 'memory' }

/** Default prefixes of the sources, because the place of a history depends on them. */
const defaultPrefixes: Readonly<Record<string, string>> = {
  consul: 'sd/config',
  etcd: '/sd/config',
  zookeeper: '/sd/config',
}

/**
 * Finds the place of the history of an entry, by the convention of `historyPlaceOf`.
 *
 * @throws SdError `SD_UNSUPPORTED` if the type has no place for histories, `SD_INVALID` if the source can't have the entry
 */
export function findHistoryPlace(config: ConfigSourceConfig, key: string): HistoryPlace {
  const { type } = config
  if (type === 'memory') return { kind: 'memory' }
  if (type === 'file') return { kind: 'file', directory: historyPlaceOf(directoryOf(config, key)), key }
  if (type === 'kubernetes') return findObject(config, key)
  const prefix = config['prefix'] ?? defaultPrefixes[type]
  if (!Object.hasOwn(defaultPrefixes, type) || typeof prefix !== 'string') throw noPlaceError(type)
  const { keys: _, format: __, required: ___, ...connection } = config
  return { kind: 'source', config: { ...connection, type, prefix: historyPlaceOf(prefix), keys: [key], format: 'text' }, key }
}

/** Whether an entry is secret as a whole, so that its diffs must not show any value. */
export function isSecretEntry({ type, secret, secrets, configMaps }: ConfigSourceConfig, key: string): boolean {
  if (type === 'file') return secret === true
  const [object = ''] = key.split('/')
  return type === 'kubernetes' && secrets !== undefined && !(Array.isArray(configMaps) && configMaps.includes(object))
}

/** Returns the error for a type of source without a place for histories: Nacos, for example, can't compare revisions. */
export function noPlaceError(type: string): SdError {
  const advice = 'pass a store, such as createFileStore({ path }) of @sd/config-history'
  return new SdError('SD_UNSUPPORTED', `There is no place for histories in a source of type ${type}: ${advice}`)
}

function directoryOf({ path, directory }: ConfigSourceConfig, key: string): string {
  if (typeof directory === 'string') return directory
  const file = checkText('path', path, 4_096)
  if (basename(file) !== key) throw invalidError('key', key, `${basename(file)}, the name of the file`)
  return dirname(file)
}

/** The history of an entry of a Secret is in a Secret too, because it has the same texts. */
function findObject({ configMaps, secrets, required: _, ...connection }: ConfigSourceConfig, key: string): HistoryPlace {
  const [object = '', ...rest] = key.split('/')
  const kind = [
    { option: 'configMaps', names: configMaps },
    { option: 'secrets', names: secrets },
  ].find(({ names }) => Array.isArray(names) && names.includes(object))
  if (!kind) throw invalidError('key', key, 'a key of an object that configMaps or secrets name')
  const place = historyPlaceOf(object)
  return { kind: 'source', config: { ...connection, [kind.option]: [place] }, key: [place, ...rest].join('/') }
}
