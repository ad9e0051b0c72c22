import {
  checkBoolean,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkText,
  invalidError,
} from '@sd/core'

/** What happens to a share of the calls that it matches. At least one of `delayMs`, `error` and `cutAfterBytes` is given. */
export interface FaultRule {
  /** Name for telemetry. @default 'rule-' and its number, from 1 */
  readonly name?: string
  /** Only calls of this service. @default all */
  readonly service?: string
  /** Only these methods, in upper case. @default all */
  readonly methods?: readonly string[]
  /** Only paths that begin so. @default all */
  readonly pathPrefix?: string
  /** Share of the calls, from 0 to 1. @default 1 */
  readonly share?: number
  /** Delay before the request is sent or handled, in milliseconds, up to 60,000. @default 0 */
  readonly delayMs?: number
  /** Up to this is added at random to the delay, in milliseconds, up to 60,000. @default 0 */
  readonly jitterMs?: number
  /** Instead of a response: a status from 400 to 599, or `unavailable` for a connection that breaks. @default none */
  readonly error?: number | 'unavailable'
  /** Breaks the connection after this number of bytes of the response's body, up to 1 GiB. @default not */
  readonly cutAfterBytes?: number
}

/** What may be changed while it runs, such as by `@sd/config`. */
export interface FaultSettings {
  /** The master switch: without it nothing happens, whatever the rules and headers. @default false */
  readonly enabled?: boolean
  /** What happens. The first rule that matches a call, and whose share the call falls into, is applied. @default [] */
  readonly rules?: readonly FaultRule[]
  /** Whether a request may ask for a fault in its `x-fault` header. Never where strangers can send requests. @default false */
  readonly header?: boolean
}

/** A rule with its defaults filled in. */
export interface ResolvedRule extends FaultRule {
  readonly name: string
  readonly share: number
  readonly delayMs: number
  readonly jitterMs: number
}

/** Settings with their defaults filled in. */
export interface ResolvedFaultSettings {
  readonly enabled: boolean
  readonly rules: readonly ResolvedRule[]
  readonly header: boolean
}

/** Longest delay, in milliseconds. */
const maxDelayMs = 60_000
const maxRules = 100
const ruleKeys = ['name', 'service', 'methods', 'pathPrefix', 'share', 'delayMs', 'jitterMs', 'error', 'cutAfterBytes'] as const

/** Names of the settings. */
export const settingKeys = ['enabled', 'rules', 'header'] as const

/**
 * Checks settings that come from outside, such as from `@sd/config`, and fills in defaults.
 *
 * @param path what the names of fields in errors begin with, such as `faults`; empty for none
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkFaultSettings(path: string, settings: unknown): ResolvedFaultSettings {
  const field = (name: string): string => (path === '' ? name : `${path}.${name}`)
  const { enabled = false, rules = [], header = false } = checkObject(path === '' ? 'settings' : path, settings) as FaultSettings
  checkKnownKeys(path, settings as object, settingKeys)
  if (!Array.isArray(rules) || rules.length > maxRules) {
    throw invalidError(field('rules'), rules, `an array of at most ${maxRules} rules`)
  }
  return {
    enabled: checkBoolean(field('enabled'), enabled),
    header: checkBoolean(field('header'), header),
    rules: rules.map((rule, index) => checkRule(field(`rules[${index}]`), rule, `rule-${index + 1}`)),
  }
}

/** Checks one rule. @throws SdError `SD_INVALID` that names the field */
export function checkRule(path: string, value: unknown, name: string): ResolvedRule {
  const rule = checkObject(path, value) as FaultRule
  checkKnownKeys(path, rule, ruleKeys)
  const { service, methods, pathPrefix, error, cutAfterBytes } = rule
  if (service !== undefined) checkName(`${path}.service`, service)
  if (methods !== undefined) checkMethods(`${path}.methods`, methods)
  if (pathPrefix !== undefined) checkText(`${path}.pathPrefix`, pathPrefix, 1_024)
  if (error !== undefined && error !== 'unavailable' && !isErrorStatus(error)) {
    throw invalidError(`${path}.error`, error, 'a status from 400 to 599, or unavailable')
  }
  if (cutAfterBytes !== undefined) checkInteger(`${path}.cutAfterBytes`, cutAfterBytes, { min: 0, max: 2 ** 30 })
  if (error !== undefined && cutAfterBytes !== undefined) {
    throw invalidError(`${path}.cutAfterBytes`, cutAfterBytes, 'nothing beside error: there is no response to cut')
  }
  const resolved: ResolvedRule = {
    ...rule,
    name: checkName(`${path}.name`, rule.name ?? name),
    share: checkNumber(`${path}.share`, rule.share ?? 1, { min: 0, max: 1 }),
    delayMs: checkInteger(`${path}.delayMs`, rule.delayMs ?? 0, { min: 0, max: maxDelayMs }),
    jitterMs: checkInteger(`${path}.jitterMs`, rule.jitterMs ?? 0, { min: 0, max: maxDelayMs }),
  }
  if (resolved.delayMs + resolved.jitterMs === 0 && error === undefined && cutAfterBytes === undefined) {
    throw invalidError(path, 'a rule without an effect', 'at least one of delayMs, error and cutAfterBytes')
  }
  return resolved
}

function checkMethods(path: string, methods: unknown): void {
  const ok = Array.isArray(methods) && methods.length > 0 && methods.every((method) => /^[A-Z]{1,20}$/.test(String(method)))
  if (!ok) throw invalidError(path, methods, 'an array of methods in upper case')
}

function isErrorStatus(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 400 && (value as number) <= 599
}
