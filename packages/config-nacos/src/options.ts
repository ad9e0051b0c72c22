import { checkFormat } from '@sd/adapter-kit'
import {
  CONNECTION_OPTIONS,
  checkGroup,
  type NacosConnectionOptions,
  type ResolvedNacosConnectionOptions,
  resolveNacosConnectionOptions,
} from '@sd/connection-nacos'
import { type ConfigFormat, checkBoolean, checkDuration, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'

/** One text in Nacos. */
export interface NacosDataId {
  /** Data id: at most 255 letters, digits, `.`, `_`, `-` and `:`. */
  readonly dataId: string
  /** Group. @default the group of the source */
  readonly group?: string
  /** Format. @default the type in Nacos, or for `text` by the extension of the data id */
  readonly format?: ConfigFormat
}

/** Options of `createNacosConfigSource`. */
export interface NacosConfigSourceOptions extends NacosConnectionOptions {
  /** Data ids to read, in the order in which they are merged: later ones win. A string is short for `{ dataId }`. */
  readonly dataIds: readonly (string | NacosDataId)[]
  /** Group of data ids without their own group. @default 'DEFAULT_GROUP' */
  readonly group?: string
  /**
   * Interval at which a watch reads everything, in milliseconds, shortened by up to 10 %. On v3 it is the only way to find
   * changes. On v1 the server reports changes at once, and the interval detects a silent server.
   *
   * @default 5_000
   */
  readonly refreshIntervalMs?: number
  /**
   * Whether every data id must exist. Nacos treats a namespace or group that does not exist, because its name is misspelt or
   * nothing has been written yet, as empty. With this option it is `SD_NOT_FOUND`, and a watch waits for it. @default false
   */
  readonly required?: boolean
  /** Name in messages, logs and metrics. @default 'config-nacos' */
  readonly name?: string
}

/** Location and format of a text. */
export interface Place {
  readonly key: string
  readonly dataId: string
  readonly group: string
  readonly format: ConfigFormat | undefined
}

/** Options with their defaults filled in. */
export interface ResolvedNacosConfigSourceOptions extends ResolvedNacosConnectionOptions {
  readonly places: readonly Place[]
  readonly refreshIntervalMs: number
  readonly required: boolean
}

/** Servers reject a long poll for more data ids. */
const maxDataIds = 64

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` naming the option */
export function resolveNacosConfigSourceOptions(options: NacosConfigSourceOptions): ResolvedNacosConfigSourceOptions {
  checkKnownKeys('', checkObject('options', options), [
    ...CONNECTION_OPTIONS,
    'dataIds',
    'group',
    'refreshIntervalMs',
    'required',
    'name',
  ])
  return {
    ...resolveNacosConnectionOptions(options, checkName('name', options.name ?? 'config-nacos')),
    places: readPlaces(options.dataIds, checkGroup('group', options.group ?? 'DEFAULT_GROUP')),
    required: checkBoolean('required', options.required ?? false),
    refreshIntervalMs: checkDuration('refreshIntervalMs', options.refreshIntervalMs ?? 5_000, 50),
  }
}

function readPlaces(dataIds: unknown, defaultGroup: string): readonly Place[] {
  const isList = Array.isArray(dataIds) && dataIds.length > 0 && dataIds.length <= maxDataIds
  if (!isList) throw invalidError('dataIds', dataIds, `an array of 1 to ${maxDataIds} data ids`)
  const places = new Map<string, Place>()
  for (const [index, one] of dataIds.entries()) {
    const field = `dataIds[${index}]`
    const place = readPlace(field, typeof one === 'string' ? { dataId: one } : one, defaultGroup)
    if (places.has(place.key)) throw invalidError(field, place.key, 'each data id once')
    places.set(place.key, place)
  }
  return [...places.values()]
}

function readPlace(field: string, value: unknown, defaultGroup: string): Place {
  const { dataId, group = defaultGroup, format } = checkObject(field, value)
  checkKnownKeys(field, value as object, ['dataId', 'group', 'format'])
  if (typeof dataId !== 'string' || !/^[\w:.-]{1,255}$/.test(dataId)) {
    throw invalidError(`${field}.dataId`, dataId, 'at most 255 letters, digits, _ - : and .')
  }
  checkGroup(`${field}.group`, group)
  return {
    key: group === defaultGroup ? dataId : `${group}/${dataId}`,
    dataId,
    group: group as string,
    format: format === undefined ? undefined : checkFormat(`${field}.format`, format),
  }
}
