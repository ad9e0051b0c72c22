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
  /** Its data id: letters, digits, `.`, `_`, `-` and `:`, at most 255. */
  readonly dataId: string
  /** Its group. @default the source's */
  readonly group?: string
  /** How it is read. @default the type that Nacos has for it, or for `text` the extension of the data id */
  readonly format?: ConfigFormat
}

/** Options of `createNacosConfigSource`. */
export interface NacosConfigSourceOptions extends NacosConnectionOptions {
  /** What is read, in the order in which it is merged: later ones win. A string is short for `{ dataId }`. */
  readonly dataIds: readonly (string | NacosDataId)[]
  /** Group of data ids that name none. @default 'DEFAULT_GROUP' */
  readonly group?: string
  /**
   * How often everything is read while it is watched, in milliseconds; spread by 10 %. On v3 this is how changes are found. On v1 the server
   * tells of them at once, and this is how a server that went silent is noticed.
   *
   * @default 5_000
   */
  readonly refreshIntervalMs?: number
  /**
   * Whether every data id must be there. To Nacos a namespace or group that does not exist, because its name is misspelt or nobody has written
   * there yet, is an empty one. With this it is `SD_NOT_FOUND`, and a watch waits for it. @default false
   */
  readonly required?: boolean
  /** Name for messages, logs and metrics. @default 'config-nacos' */
  readonly name?: string
}

/** Where a text is, and how it is read. */
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

/** More would make a long poll that servers refuse. */
const maxDataIds = 64

/** Checks options. @throws SdError `SD_INVALID` that names the option */
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
    throw invalidError(`${field}.dataId`, dataId, 'letters, digits, _ - : and ., at most 255')
  }
  checkGroup(`${field}.group`, group)
  return {
    key: group === defaultGroup ? dataId : `${group}/${dataId}`,
    dataId,
    group: group as string,
    format: format === undefined ? undefined : checkFormat(`${field}.format`, format),
  }
}
