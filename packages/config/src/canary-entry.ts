import { createHash } from 'node:crypto'
import { type ConfigEntry, checkKnownKeys, checkName, checkNumber, checkObject, checkText, invalidError, SdError } from '@sd/core'
import { canarySuffix } from './profiles.ts'

/** Selects the instances of a canary release. An instance is selected if one of the members matches. */
export interface CanaryRule {
  /** Share of all instances in percent, 0 to 100. Stable during a release; a larger share adds instances to a smaller one. */
  readonly share?: number
  /** Selects instances that have one of these tags. */
  readonly tags?: readonly string[]
  /** Selects instances with one of these addresses. */
  readonly addresses?: readonly string[]
}

/** Identity of an instance for canary releases. */
export interface CanaryInstance {
  /** Stable, unique id of the instance: it decides whether the instance is in a share. */
  readonly id: string
  /** Tags of the instance. @default [] */
  readonly tags?: readonly string[]
  /** Address of the instance. @default none */
  readonly address?: string
}

/** A version of one entry that applies to some instances. */
export interface CanaryVersion {
  /** Id of the release; with the instance id it decides whether an instance is in the share. */
  readonly releaseId: string
  /** The instances it applies to. */
  readonly rule: CanaryRule
  /** The text. */
  readonly content: string
  /** Revision of the entry at `publish`; `null` if the entry did not exist. */
  readonly baseRevision: string | null
  /** Author given to `publish`; `promote` writes it unless another is given. */
  readonly author?: string | undefined
  /** Comment given to `publish`; `promote` writes it unless another is given. */
  readonly comment?: string | undefined
}

/** Format of stored canary versions. A text without a format has the first format. */
const format = 1

/** The key that stores the canary version of an entry. */
export function canaryKeyOf(key: string): string {
  return `${key}${canarySuffix}`
}

/** Whether a canary version applies to an instance. */
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

/** Serializes a canary version. */
export function encodeCanary(version: CanaryVersion): string {
  return `${JSON.stringify({ format, ...version }, undefined, 2)}\n`
}

/** Parses a canary version. @throws SdError `SD_MALFORMED` */
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
    throw new SdError('SD_MALFORMED', `${key} is not a canary release`)
  }
}

/** Validates a rule. @throws SdError `SD_INVALID` that names the field */
export function checkRule(rule: CanaryRule): CanaryRule {
  checkKnownKeys('rule', checkObject('rule', rule), ['share', 'tags', 'addresses'])
  const { share, tags, addresses } = rule
  if (share !== undefined) checkNumber('rule.share', share, { min: 0, max: 100 })
  checkNames('rule.tags', tags)
  checkNames('rule.addresses', addresses)
  if (share === undefined && !tags?.length && !addresses?.length) throw invalidError('rule', rule, 'a share, tags or addresses')
  return rule
}

/** Validates an instance. @throws SdError `SD_INVALID` that names the field */
export function checkInstance(instance: CanaryInstance): CanaryInstance {
  checkKnownKeys('instance', checkObject('instance', instance), ['id', 'tags', 'address'])
  checkName('instance.id', instance.id)
  checkNames('instance.tags', instance.tags)
  if (instance.address !== undefined) checkName('instance.address', instance.address)
  return instance
}

function checkNames(field: string, names: readonly string[] | undefined): void {
  if (names !== undefined && !Array.isArray(names)) throw invalidError(field, names, 'an array of names')
  for (const [index, name] of (names ?? []).entries()) checkName(`${field}[${index}]`, name)
}
