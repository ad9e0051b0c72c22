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

/** A fault for a share of the matching calls. At least one of `delayMs`, `error` and `cutAfterBytes` is required. */
export interface FaultRule {
  /** Name for telemetry. @default 'rule-' followed by its number, from 1 */
  readonly name?: string
  /** Matches only calls of this service. @default all */
  readonly service?: string
  /** Matches only these methods, in upper case. @default all */
  readonly methods?: readonly string[]
  /** Matches only paths with this prefix. @default all */
  readonly pathPrefix?: string
  /** Share of the calls, from 0 to 1. @default 1 */
  readonly share?: number
  /** Delay before the request is sent or handled, in milliseconds, up to 60,000. @default 0 */
  readonly delayMs?: number
  /** Upper bound of a random addition to the delay, in milliseconds, up to 60,000. @default 0 */
  readonly jitterMs?: number
  /** A status from 400 to 599 instead of a response, or `unavailable` for a broken connection. @default none */
  readonly error?: number | 'unavailable'
  /** Breaks the connection after this number of bytes of the response's body, up to 1 GiB. @default never */
  readonly cutAfterBytes?: number
}

/** Settings that can be changed at run time, for example by `@sd/config`. */
export interface FaultSettings {
  /** Master switch. While it is false nothing is injected, regardless of rules and headers. @default false */
  readonly enabled?: boolean
  /** Rules. The first rule that matches a call, and whose share selects it, is applied. @default [] */
  readonly rules?: readonly FaultRule[]
  /**
   * Whether a request may ask for a fault in its `x-fault` header. Never enable it where unknown callers can send requests.
   *
   * @default false
   */
  readonly header?: boolean
}

/** A rule with defaults applied. */
export interface ResolvedRule extends FaultRule {
  readonly name: string
  /** Share of the calls, from 0 to 1. */
  readonly share: number
  /** Delay before the request is sent or handled, in milliseconds. */
  readonly delayMs: number
  /** Upper bound of a random addition to the delay, in milliseconds. */
  readonly jitterMs: number
}

/** Settings with defaults applied. */
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
 * Validates settings that come from outside, for example from `@sd/config`, and applies defaults.
 *
 * @param path prefix of field names in errors, such as `faults`; empty for none
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

/** Validates one rule. @throws SdError `SD_INVALID` that names the field */
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
    throw invalidError(
      `${path}.cutAfterBytes`,
      cutAfterBytes,
      'no value together with error, because there is no response to cut',
    )
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
  if (!ok) throw invalidError(path, methods, 'an array of HTTP methods in upper case')
}

function isErrorStatus(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 400 && (value as number) <= 599
}
