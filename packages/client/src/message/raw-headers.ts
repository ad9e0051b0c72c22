import { DEADLINE_HEADER, SdError } from '@sd/core'
import { isSendable, readHeaders } from './request-check.ts'

/** Fields that the `connection` field of a request can't remove: they are for the service, not for one connection. */
const endToEnd: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-length',
  'content-type',
  'cookie',
  'forwarded',
  'host',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  DEADLINE_HEADER,
])

/**
 * The header fields of a request as received, names and values in turn, without those of one connection (RFC 9110,
 * 7.6.1). Several `cookie` fields become one (RFC 9113, 8.2.3). The other fields keep their order, case and repetition.
 */
export class RawHeaders {
  readonly list: readonly string[]
  #record: Record<string, string> | undefined

  /**
   * @param list names and values in turn; this object owns the list
   * @param defaults fields of the service, names in lower case; added if the request has no such field
   * @param isClean whether a proxy has done what is done here
   */
  constructor(list: string[], defaults: Readonly<Record<string, string>>, isClean: boolean = false) {
    if (!isClean) clean(list)
    for (const name in defaults) if (!includesField(list, name)) list.push(name, defaults[name] as string)
    this.list = list
  }

  /** Copies a list that the caller keeps. */
  static copy(given: readonly string[], defaults: Readonly<Record<string, string>>): RawHeaders {
    return new RawHeaders([...given], defaults)
  }

  /** The first value of a field, by its name in lower case. */
  get(wanted: string): string | undefined {
    for (let index = 0; index < this.list.length; index += 2) {
      if (hasName(this.list[index] as string, wanted)) return this.list[index + 1]
    }
    return undefined
  }

  /** The fields by name in lower case; repeated ones are joined. @throws SdError `SD_INVALID` that names the field */
  get record(): Readonly<Record<string, string>> {
    if (this.#record) return this.#record
    const fields: Record<string, string> = {}
    for (let index = 0; index < this.list.length; index += 2) {
      const name = (this.list[index] as string).toLowerCase()
      const value = this.list[index + 1] as string
      fields[name] = Object.hasOwn(fields, name) ? `${fields[name]}, ${value}` : value
    }
    this.#record = readHeaders('headers', fields)
    return this.#record
  }

  /**
   * The list with the changes that were made in a copy of {@link RawHeaders.record}.
   *
   * @param deadline fields that tell the remaining time of the call; absent for a call without a deadline
   */
  withChanges(changed: Readonly<Record<string, string>> | undefined, deadline: readonly string[] | undefined): readonly string[] {
    const list = changed ? this.#change(changed) : this.list
    if (deadline === undefined) return list
    let others = list
    for (let index = 0; index < deadline.length; index += 2) {
      const name = deadline[index] as string
      if (includesField(others, name)) others = without(others, name)
    }
    return [...others, ...deadline]
  }

  #change(changed: Readonly<Record<string, string>>): string[] {
    const before = this.record
    const list: string[] = []
    for (let index = 0; index < this.list.length; index += 2) {
      const name = this.list[index] as string
      const key = name.toLowerCase()
      if (before[key] === changed[key]) list.push(name, this.list[index + 1] as string)
    }
    for (const name in changed) {
      const value = changed[name]
      if (value !== undefined && value !== before[name] && name !== DEADLINE_HEADER) list.push(name, value)
    }
    return list
  }
}

/** Removes the fields that are not passed on. */
function clean(list: string[]): void {
  if (list.length % 2 !== 0) {
    throw new SdError('SD_INVALID', 'Invalid rawHeaders: a name without a value, want names and values in turn', {
      field: 'rawHeaders',
      origin: 'caller',
    })
  }
  const nominated = findNominated(list)
  let length = 0
  let cookieAt = -1
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] as string
    const value = list[index + 1] as string
    const key = name.toLowerCase()
    if (!isSendable(key, value) || key === 'trailer' || (nominated?.has(key) && !endToEnd.has(key))) continue
    if (key === 'te' && value.toLowerCase() !== 'trailers') continue
    if ((key === 'content-length' || key === 'host') && includesField(list, key, length)) throw duplicate(key)
    if (key === 'cookie' && cookieAt >= 0) {
      list[cookieAt] = `${list[cookieAt]}; ${value}`
      continue
    }
    list[length++] = name
    if (key === 'cookie') cookieAt = length
    list[length++] = value
  }
  list.length = length
}

function includesField(list: readonly string[], wanted: string, length: number = list.length): boolean {
  for (let index = 0; index < length; index += 2) if (hasName(list[index] as string, wanted)) return true
  return false
}

function without(list: readonly string[], unwanted: string): readonly string[] {
  return list.filter((_, index) => !hasName(list[index - (index % 2)] as string, unwanted))
}

/** Whether a name equals `wanted`, which is in lower case. Nearly all names differ in length. */
export function hasName(name: string, wanted: string): boolean {
  return name.length === wanted.length && name.toLowerCase() === wanted
}

/** Two lengths, or two hosts: servers disagree about which one applies. */
function duplicate(name: string): SdError {
  return new SdError('SD_INVALID', `Invalid rawHeaders.${name}: got it twice, want it once`, {
    field: `rawHeaders.${name}`,
    origin: 'caller',
  })
}

/** The names that the `connection` fields list. */
function findNominated(given: readonly string[]): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined
  for (let index = 0; index < given.length; index += 2) {
    if (!hasName(given[index] as string, 'connection')) continue
    names ??= new Set()
    for (const name of (given[index + 1] as string).split(',')) names.add(name.trim().toLowerCase())
  }
  return names
}
