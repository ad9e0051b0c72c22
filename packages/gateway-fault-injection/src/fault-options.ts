import { checkBoolean, checkInteger, checkKnownKeys, checkObject, checkText, invalidError } from '@sd/core'
import { checkFaultRule, type FaultRule, type ResolvedFaultRule } from '@sd/fault-injection'
import { type GatewayExchange, type Networks, readNetworks } from '@sd/gateway'

/** A value of a header field, or a condition, as in `match.headers` of a route. */
export type FieldCondition =
  | string
  | { readonly present: boolean }
  | { readonly oneOf: readonly string[] }
  | { readonly prefix: string }

/** A fault for a share of the matching requests, as in `@sd/fault-injection`. */
export interface GatewayFaultRule extends FaultRule {
  /** Header fields that a request must have. @default any */
  readonly headers?: Readonly<Record<string, FieldCondition>>
}

/** Options of the filter on a route. */
export interface FaultInjectionFilterOptions {
  /** Master switch. While it is false nothing is injected, regardless of rules and header fields. @default false */
  readonly enabled?: boolean
  /** Rules. The first one that matches a request, and whose share selects it, is applied. @default none */
  readonly rules?: readonly GatewayFaultRule[]
  /** Networks of clients that may ask for a fault in the field `x-fault`. From others it is removed. @default none */
  readonly headerNetworks?: readonly string[]
  /** Requests with a fault at the same time; further ones have none. @default 100 */
  readonly maxActive?: number
}

/** A rule, prepared for requests. */
export interface PreparedRule {
  readonly rule: ResolvedFaultRule
  /** Whether a request has its header fields. */
  hasFields(exchange: Pick<GatewayExchange, 'header'>): boolean
}

/** Options, prepared for requests. */
export interface ResolvedFaults {
  readonly enabled: boolean
  readonly rules: readonly PreparedRule[]
  readonly networks: Networks
  readonly maxActive: number
}

const maxRules = 100

/** Checks options from a table. @throws SdError `SD_INVALID` that names the field */
export function readFaultOptions(options: Readonly<Record<string, unknown>>): ResolvedFaults {
  checkKnownKeys('', options, ['enabled', 'rules', 'headerNetworks', 'maxActive'])
  const { enabled = false, rules = [], headerNetworks, maxActive = 100 } = options
  if (!Array.isArray(rules) || rules.length > maxRules) {
    throw invalidError('rules', rules, `an array of at most ${maxRules} rules`)
  }
  return {
    enabled: checkBoolean('enabled', enabled),
    rules: rules.map((rule, index) => readRule(`rules[${index}]`, rule, `rule-${index + 1}`)),
    networks: readNetworks('headerNetworks', headerNetworks as readonly string[] | undefined),
    maxActive: checkInteger('maxActive', maxActive, { min: 1, max: 1_000_000 }),
  }
}

function readRule(path: string, value: unknown, name: string): PreparedRule {
  const { headers = {}, ...rest } = checkObject(path, value)
  const rule = checkFaultRule(path, rest, name)
  const conditions = Object.entries(checkObject(`${path}.headers`, headers)).map(([field, condition]) => {
    const at = `${path}.headers.${field}`
    if (!/^[!#$%&'*+\-.^_`|~\da-z]{1,255}$/i.test(field)) throw invalidError(at, field, 'the name of a header field')
    return { field: field.toLowerCase(), isMet: readCondition(at, condition) }
  })
  return { rule, hasFields: (exchange) => conditions.every(({ field, isMet }) => isMet(exchange.header(field))) }
}

function readCondition(path: string, value: unknown): (text: string | undefined) => boolean {
  if (typeof value === 'string') {
    const wanted = checkText(path, value, 1_024)
    return (text) => text === wanted
  }
  const condition = checkObject(path, value)
  checkKnownKeys(path, condition, ['present', 'oneOf', 'prefix'])
  const { present, oneOf, prefix } = condition
  if (Object.keys(condition).length !== 1) throw invalidError(path, value, 'a text, or one of present, oneOf and prefix')
  if (present !== undefined) {
    const isPresent = checkBoolean(`${path}.present`, present)
    return (text) => isPresent === (text !== undefined)
  }
  if (prefix !== undefined) {
    const start = checkText(`${path}.prefix`, prefix, 1_024)
    return (text) => text?.startsWith(start) ?? false
  }
  if (!Array.isArray(oneOf) || oneOf.length === 0 || oneOf.length > 100) {
    throw invalidError(`${path}.oneOf`, oneOf, 'an array of 1 to 100 texts')
  }
  const texts = new Set(oneOf.map((text, index) => checkText(`${path}.oneOf[${index}]`, text, 1_024)))
  return (text) => text !== undefined && texts.has(text)
}
