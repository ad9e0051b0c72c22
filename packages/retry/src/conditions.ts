import {
  type AttemptResult,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkName,
  checkObject,
  checkOneOf,
  IDEMPOTENT_METHODS,
  invalidError,
  isRepeatable,
  type SdErrorCode,
} from '@sd/core'

/** Which attempts of a client's call are retried. */
export interface RetryConditions {
  /**
   * Codes of errors that are retried, unless the caller or this process caused the error (`originOf`).
   * @default every error that is `retryable`
   */
  readonly errorCodes?: readonly SdErrorCode[]
  /** Statuses that are retried. @default [429, 502, 503, 504] */
  readonly statuses?: readonly number[]
  /**
   * Response header fields that decide regardless of the status, with the required value, or `*` for any. Names in lower case.
   * @default none
   */
  readonly headers?: Readonly<Record<string, { readonly value: string; readonly retry: boolean }>>
  /**
   * Methods whose requests may be sent twice, or `all`. A request that was not sent at all may be retried with any method.
   * @default the idempotent methods: GET, HEAD, OPTIONS, TRACE, PUT, DELETE
   */
  readonly methods?: readonly string[] | 'all'
  /** Request header field that makes any method repeatable; `false` disables this. @default 'idempotency-key' */
  readonly idempotencyHeader?: string | false
  /**
   * Decides before the lists, unless it returns `undefined`. It can't allow a request that may not be sent twice.
   *
   * @default none
   */
  readonly when?: (result: AttemptResult) => boolean | undefined
}

/** Names of the options in {@link RetryConditions}. */
export const conditionKeys = ['errorCodes', 'statuses', 'headers', 'methods', 'idempotencyHeader', 'when'] as const

/**
 * Creates the function that decides whether an attempt may and should be retried.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createCondition(conditions: RetryConditions): (result: AttemptResult) => boolean {
  const errorCodes = conditions.errorCodes && new Set(checkList('errorCodes', conditions.errorCodes, checkName))
  const statuses = new Set(checkList('statuses', conditions.statuses ?? [429, 502, 503, 504], checkStatus))
  const methods = checkMethods(conditions.methods ?? [...IDEMPOTENT_METHODS])
  const idempotencyHeader = checkIdempotencyHeader(conditions.idempotencyHeader)
  const rules = checkHeaderRules(conditions.headers)
  const { when } = conditions
  if (when !== undefined) checkFunction('when', when)

  function mayRepeat({ call, sent, replayable }: AttemptResult): boolean {
    if (!sent) return true
    if (!replayable) return false
    if (methods === undefined || methods.has(call.method)) return true
    return idempotencyHeader !== undefined && Boolean(call.headers[idempotencyHeader]?.trim())
  }
  function isWanted(result: AttemptResult): boolean {
    const custom = when?.(result)
    if (custom !== undefined) return custom
    const { error, response } = result
    if (error && !isRepeatable(error)) return false
    if (error) return errorCodes ? errorCodes.has(error.code) : error.retryable
    if (!response) return false
    for (const [name, { value, retry }] of rules) {
      const found = response.headers[name]
      if (found !== undefined && (value === '*' || found === value || (typeof found === 'object' && found.includes(value))))
        return retry
    }
    return statuses.has(response.status)
  }
  return (result) => isWanted(result) && mayRepeat(result)
}

function checkList<T>(field: string, values: readonly T[], check: (field: string, value: T) => unknown): readonly T[] {
  if (!Array.isArray(values)) throw invalidError(field, values, 'an array')
  for (const [index, value] of values.entries()) check(`${field}[${index}]`, value)
  return values
}

function checkStatus(field: string, value: number): number {
  return checkInteger(field, value, { min: 100, max: 599 })
}

function checkMethods(methods: readonly string[] | 'all'): ReadonlySet<string> | undefined {
  if (typeof methods === 'string') return void checkOneOf('methods', methods, ['all'])
  return new Set(checkList('methods', methods, checkName).map((method) => method.toUpperCase()))
}

function checkIdempotencyHeader(name: string | false | undefined): string | undefined {
  return name === false ? undefined : checkName('idempotencyHeader', name ?? 'idempotency-key').toLowerCase()
}

function checkHeaderRules(
  headers: RetryConditions['headers'],
): readonly (readonly [string, { value: string; retry: boolean }])[] {
  return Object.entries(checkObject('headers', headers ?? {}) as NonNullable<RetryConditions['headers']>).map(([name, rule]) => {
    checkObject(`headers.${name}`, rule)
    checkName(`headers.${name}.value`, rule.value)
    checkBoolean(`headers.${name}.retry`, rule.retry)
    return [name.toLowerCase(), rule]
  })
}
