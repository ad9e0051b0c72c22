import { checkFormat } from '@sd/adapter-kit'
import {
  CONNECTION_OPTIONS,
  checkGroup,
  type NacosConnectionOptions,
  type ResolvedNacosConnectionOptions,
  resolveNacosConnectionOptions,
} from '@sd/connection-nacos'
import {
  type ConfigFormat,
  checkBoolean,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  invalidError,
} from '@sd/core'

/** One text in Nacos. */
export interface NacosDataId {
  /** Data id: at most 255 letters, digits, `.`, `_`, `-` and `:`. */
  readonly dataId: string
  /** Group. @default the group of the source */
  readonly group?: string
  /** Format. @default the type in Nacos, or for `text` by the extension of the data id */
  readonly format?: ConfigFormat
}

/** A text that a client has encrypted, with its data key, as Nacos stores both. */
export interface NacosEncryptedText {
  /** Its data id, which names the algorithm: `cipher-<algorithm>-…`. */
  readonly dataId: string
  /** Its group. */
  readonly group: string
  /** The encrypted text. */
  readonly content: string
  /** The key of this text, itself encrypted. */
  readonly encryptedDataKey: string
}

/** Functions that do what an encryption plugin does in the Java client. What they get and return is not logged. */
export interface NacosEncryption {
  /** Decrypts a text. If it throws, the text is `SD_MALFORMED`, and watches are stale until it can be decrypted. */
  decrypt(text: NacosEncryptedText): string | Promise<string>
  /**
   * Encrypts a text before it is written: one with a data id that begins with `cipher-`, or one that is encrypted already. An empty
   * `encryptedDataKey` writes `content` as it is. @default such a text is read-only
   */
  encrypt?(text: NacosPlainText): NacosSealedText | Promise<NacosSealedText>
}

/** A text to encrypt. */
export interface NacosPlainText {
  /** Its data id, which names the algorithm: `cipher-<algorithm>-…`. */
  readonly dataId: string
  /** Its group. */
  readonly group: string
  /** The text. */
  readonly content: string
  /** Encrypted data key of the text that Nacos has, if it is encrypted. */
  readonly encryptedDataKey: string | undefined
}

/** What is written. */
export interface NacosSealedText {
  /** The encrypted text. */
  readonly content: string
  /** Its encrypted data key; empty if the text is not encrypted. */
  readonly encryptedDataKey: string
}

/** Options of `createNacosConfigSource`. */
export interface NacosConfigSourceOptions extends NacosConnectionOptions {
  /** Data ids to read, in the order in which they are merged: later ones win. A string is short for `{ dataId }`. */
  readonly dataIds: readonly (string | NacosDataId)[]
  /** Group of data ids without their own group. @default 'DEFAULT_GROUP' */
  readonly group?: string
  /**
   * Interval at which a watch reads everything, in milliseconds, shortened by up to 10 %. On v3 it is the only way to find
   * changes. By gRPC and on v1 the server reports changes at once, and the interval detects a silent server.
   *
   * @default 5_000
   */
  readonly refreshIntervalMs?: number
  /**
   * Whether every data id must exist. Nacos treats a namespace or group that does not exist, because its name is misspelt or
   * nothing has been written yet, as empty. With this option it is `SD_NOT_FOUND`, and a watch waits for it. @default false
   */
  readonly required?: boolean
  /**
   * Functions for texts that clients encrypt and decrypt, as an encryption plugin does in the Java client. @default an encrypted
   * text is `SD_MALFORMED`
   */
  readonly encryption?: NacosEncryption
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
  readonly encryption: NacosEncryption | undefined
}

/** Servers reject a long poll for more data ids. */
const maxDataIds = 64

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveNacosConfigSourceOptions(options: NacosConfigSourceOptions): ResolvedNacosConfigSourceOptions {
  checkKnownKeys('', checkObject('options', options), [
    ...CONNECTION_OPTIONS,
    'dataIds',
    'group',
    'refreshIntervalMs',
    'required',
    'encryption',
    'name',
  ])
  return {
    ...resolveNacosConnectionOptions(options, checkName('name', options.name ?? 'config-nacos')),
    places: readPlaces(options.dataIds, checkGroup('group', options.group ?? 'DEFAULT_GROUP')),
    encryption: readEncryption(options.encryption),
    required: checkBoolean('required', options.required ?? false),
    refreshIntervalMs: checkDuration('refreshIntervalMs', options.refreshIntervalMs ?? 5_000, 50),
  }
}

function readEncryption(value: unknown): NacosEncryption | undefined {
  if (value === undefined) return undefined
  const { decrypt, encrypt } = checkObject('encryption', value)
  checkKnownKeys('encryption', value as object, ['decrypt', 'encrypt'])
  checkFunction('encryption.decrypt', decrypt as NacosEncryption['decrypt'])
  if (encrypt !== undefined) checkFunction('encryption.encrypt', encrypt as NacosEncryption['decrypt'])
  return value as NacosEncryption
}

function readPlaces(dataIds: unknown, defaultGroup: string): readonly Place[] {
  const isList = Array.isArray(dataIds) && dataIds.length > 0 && dataIds.length <= maxDataIds
  if (!isList) throw invalidError('dataIds', dataIds, `an array of 1 to ${maxDataIds} data ids`)
  const places = new Map<string, Place>()
  for (const [index, one] of dataIds.entries()) {
    const field = `dataIds[${index}]`
    const place = readPlace(field, typeof one === 'string' ? { dataId: one } : one, defaultGroup)
    if (places.has(place.key)) throw invalidError(field, place.key, 'no duplicates')
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
