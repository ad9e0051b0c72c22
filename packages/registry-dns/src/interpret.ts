import type { SrvData } from 'dns-packet'
import { isDnsName, normalizeName } from './dns-name.ts'
import type { DnsMessage, DnsQuestion, DnsRecord, QueryType } from './message.ts'

/** Data of a record: an address, an SRV record, or nothing for other types. */
export type RecordData<T extends QueryType> = T extends 'A' | 'AAAA' ? string : T extends 'SRV' ? SrvData : unknown

/** Result of interpreting a message for a question. */
export type Finding<T extends QueryType> =
  /** The records; empty if the name, or a record of this type, does not exist. */
  | { readonly kind: 'records'; readonly data: readonly RecordData<T>[]; readonly ttlSeconds: number }
  /** The name is an alias, and the message does not contain the records of its target. */
  | { readonly kind: 'alias'; readonly name: string; readonly ttlSeconds: number; readonly hops: number }
  /** The message neither contains the records nor denies their existence. */
  | { readonly kind: 'failed'; readonly reason: string }

/** Longest chain of aliases that is followed. */
export const maxAliases = 8

/** Finds the records for a question in a message, following aliases. */
export function interpret<T extends QueryType>(message: DnsMessage, question: DnsQuestion & { readonly type: T }): Finding<T> {
  let name = normalizeName(question.name)
  let ttlSeconds = Number.POSITIVE_INFINITY
  for (let hops = 0; hops <= maxAliases; hops++) {
    const found = recordsOf(message.answers, name, question.type)
    if (found.length > 0) {
      const data = found.map(dataOf) as RecordData<T>[]
      return { kind: 'records', data, ttlSeconds: Math.min(ttlSeconds, ...found.map(ttlOf)) }
    }
    const [alias] = recordsOf(message.answers, name, 'CNAME')
    if (!alias) return interpretAbsence(message, { name, ttlSeconds, hops })
    name = normalizeName(String(dataOf(alias)))
    ttlSeconds = Math.min(ttlSeconds, ttlOf(alias))
  }
  return { kind: 'failed', reason: `more than ${maxAliases} aliases` }
}

/** Addresses in the additional section of a message. */
export interface BroughtAddresses {
  readonly addresses: readonly string[]
  readonly ttlSeconds: number
}

/**
 * Creates a lookup of the addresses in the additional section. It returns `undefined` for a name without addresses
 * there.
 */
export function indexAdditionals({
  additionals,
}: DnsMessage): (name: string, type: 'A' | 'AAAA') => BroughtAddresses | undefined {
  const byName = Map.groupBy(additionals, ({ type, name }) => `${type} ${normalizeName(name)}`)
  return (name, type) => {
    const found = (byName.get(`${type} ${normalizeName(name)}`) ?? []).filter(isInternet)
    if (found.length === 0) return undefined
    return { addresses: found.map((record) => String(dataOf(record))), ttlSeconds: Math.min(...found.map(ttlOf)) }
  }
}

interface Walked {
  readonly name: string
  readonly ttlSeconds: number
  readonly hops: number
}

/** Interprets the absence of a record: RFC 2308, section 2. */
function interpretAbsence(message: DnsMessage, { name, ttlSeconds, hops }: Walked): Finding<never> {
  const { nameExists, isAuthoritative, authorities } = message
  const authority = authorities.find(({ type }) => type === 'SOA')
  if (authority?.type === 'SOA') {
    const negative = Math.min(ttlOf(authority), authority.data.minimum ?? 0)
    return { kind: 'records', data: [], ttlSeconds: Math.min(ttlSeconds, negative) }
  }
  if (!nameExists) return { kind: 'records', data: [], ttlSeconds: 0 }
  if (hops > 0 && !isDnsName(name)) return { kind: 'failed', reason: 'an alias that is not a valid name' }
  if (hops > 0) return { kind: 'alias', name, ttlSeconds, hops }
  // The server refers to other servers. That does not deny the record's existence.
  if (!isAuthoritative && authorities.some(({ type }) => type === 'NS'))
    return { kind: 'failed', reason: 'a referral to other servers' }
  return { kind: 'records', data: [], ttlSeconds: 0 }
}

function recordsOf(records: readonly DnsRecord[], name: string, type: QueryType | 'CNAME'): readonly DnsRecord[] {
  return records.filter((record) => record.type === type && isInternet(record) && normalizeName(record.name) === name)
}

function isInternet(record: DnsRecord): boolean {
  return 'class' in record && record.class === 'IN'
}

function dataOf(record: DnsRecord): unknown {
  return 'data' in record ? record.data : undefined
}

/** A TTL with the highest bit set is 0. @see RFC 2181, section 8 */
function ttlOf(record: DnsRecord): number {
  const ttl = 'ttl' in record ? (record.ttl ?? 0) : 0
  return ttl > 0x7fff_ffff ? 0 : ttl
}
