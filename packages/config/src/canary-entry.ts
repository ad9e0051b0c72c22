import { createHash } from 'node:crypto'
import { type ConfigEntry, checkKnownKeys, checkName, checkNumber, checkObject, checkText, invalidError, SdError } from '@sd/core'
import { canarySuffix } from './profiles.ts'

/** Which instances a canary release is for: those that one of these picks. */
export interface CanaryRule {
  /** Share of all instances in percent, from 0 to 100: the same ones as long as the release lives, and these and more when it grows. */
  readonly share?: number
  /** Tags of which an instance has one. */
  readonly tags?: readonly string[]
  /** Addresses, as instances name theirs. */
  readonly addresses?: readonly string[]
}

/** What is known of an instance that a canary release may be for. */
export interface CanaryInstance {
  /** Its id; the share is drawn by it, so it must stay and differ from those of others. */
  readonly id: string
  /** Its tags. @default [] */
  readonly tags?: readonly string[]
  /** Its address. @default none */
  readonly address?: string
}

/** A version of one entry that counts for some instances. */
export interface CanaryVersion {
  /** Id of the release; with an instance's id it decides who is in the share. */
  readonly releaseId: string
  /** Whom it is for. */
  readonly rule: CanaryRule
  /** The text. */
  readonly content: string
  /** Revision of the entry that it was made from; `null` if there was none. */
  readonly baseRevision: string | null
  /** Who published it, and why, if that was said: `promote` writes it under this name. */
  readonly author?: string | undefined
  /** See `author`. */
  readonly comment?: string | undefined
}

/** Format of the text under which a canary version is kept. One without a format is of the first. */
const format = 1

/** The key under which the canary version of an entry is kept. */
export function canaryKeyOf(key: string): string {
  return `${key}${canarySuffix}`
}

/** Whether an instance gets a canary version. */
export function isChosen({ releaseId, rule }: Pick<CanaryVersion, 'releaseId' | 'rule'>, instance: CanaryInstance): boolean {
  const { share = 0, tags = [], addresses = [] } = rule
  const { id, tags: own = [], address } = instance
  if (own.some((tag) => tags.includes(tag)) || (address !== undefined && addresses.includes(address))) return true
  const drawn = createHash('sha256')
    .update(JSON.stringify([releaseId, id]))
    .digest()
    .readUInt32BE()
  return drawn / 2 ** 32 < share / 100
}

/** The text under which a canary version is kept. */
export function encodeCanary(version: CanaryVersion): string {
  return `${JSON.stringify({ format, ...version }, undefined, 2)}\n`
}

/** Reads a canary version. @throws SdError `SD_MALFORMED` */
export function decodeCanary({ key, content }: Pick<ConfigEntry, 'key' | 'content'>): CanaryVersion {
  try {
    const { format: found = format, ...version } = JSON.parse(content) as CanaryVersion & { readonly format?: number }
    if (found !== format) throw invalidError('format', found, `format ${format}`)
    checkName('releaseId', version.releaseId)
    checkRule(version.rule)
    if (typeof version.content !== 'string') throw invalidError('content', typeof version.content, 'a text')
    for (const text of [version.author, version.comment]) if (text !== undefined) checkText('author', text, 4_096)
    return version
  } catch {
    throw new SdError('SD_MALFORMED', `${key} is no canary release`)
  }
}

/** Checks a rule. @throws SdError `SD_INVALID` that names the field */
export function checkRule(rule: CanaryRule): CanaryRule {
  checkKnownKeys('rule', checkObject('rule', rule), ['share', 'tags', 'addresses'])
  const { share, tags, addresses } = rule
  if (share !== undefined) checkNumber('rule.share', share, { min: 0, max: 100 })
  checkNames('rule.tags', tags)
  checkNames('rule.addresses', addresses)
  if (share === undefined && !tags?.length && !addresses?.length) throw invalidError('rule', rule, 'a share, tags or addresses')
  return rule
}

/** Checks an instance. @throws SdError `SD_INVALID` that names the field */
export function checkInstance(instance: CanaryInstance): CanaryInstance {
  checkKnownKeys('instance', checkObject('instance', instance), ['id', 'tags', 'address'])
  checkName('instance.id', instance.id)
  checkNames('instance.tags', instance.tags)
  if (instance.address !== undefined) checkName('instance.address', instance.address)
  return instance
}

function checkNames(field: string, names: readonly string[] | undefined): void {
  if (names !== undefined && !Array.isArray(names)) throw invalidError(field, names, 'an array')
  for (const [index, name] of (names ?? []).entries()) checkName(`${field}[${index}]`, name)
}
