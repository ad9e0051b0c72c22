import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkName,
  checkNumber,
  checkObject,
  checkServiceName,
  checkText,
  invalidError,
} from '@sd/core'
import { checkFieldName, checkFieldValue, checkMatch, checkPathTemplate, uniqueNames } from './check-match.ts'
import { by, type Check, listOf, minBodyRate, object, oneOf, recordOf } from './checks.ts'
import type {
  AffinitySpec,
  DirectResponse,
  ForwardTarget,
  HeaderRules,
  InstanceSelector,
  MirrorSpec,
  RedirectSpec,
  RewriteSpec,
  RouteLimits,
  RouteRateLimit,
  RouteSpec,
  RouteTimeouts,
} from './table.ts'

/** Fields that the gateway sets itself: framing, and what is for one connection (RFC 9110, 7.6.1). */
const ownFields: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function checkRuleName(path: string, value: unknown): string {
  const name = checkFieldName(path, value)
  if (ownFields.has(name)) throw invalidError(path, value, 'another field: the gateway sets this one')
  return name
}

const name = by(checkName)
const service = by(checkServiceName)
const duration = by((path, value) => checkDuration(path, value))
const template = by(checkPathTemplate)

function integer(min: number, max: number): Check {
  return by((path, value) => checkInteger(path, value, { min, max }))
}

/** A host that is sent, possibly with a port. */
const authority = by((path, value) => {
  if (/^(?:[a-z\d](?:[\w.-]{0,251}[a-z\d])?|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(checkText(path, value, 260))) return
  throw invalidError(path, value, 'a host, possibly with a port, such as api.example.com:8443')
})

const target = object<ForwardTarget>(
  {
    service,
    weight: by((path, value) => checkNumber(path, value, { min: 0, max: 1_000_000 })),
    instances: object<InstanceSelector>({
      version: by((path, value) => checkName(path, value, 100)),
      metadata: recordOf(
        checkName,
        by((path, value) => checkText(path, value, 1_024)),
        20,
      ),
    }),
  },
  ['service'],
)

const forward: Check = (path, value, problems) => {
  if (Array.isArray(value)) listOf(target, { min: 1, max: 50 })(path, value, problems)
  else target(path, value, problems)
}

const ruleValues = uniqueNames(recordOf(checkRuleName, by(checkFieldValue), 50))
const rules = object<HeaderRules>({ remove: listOf(by(checkRuleName), { max: 50 }), set: ruleValues, add: ruleValues })

const response = object<DirectResponse>(
  {
    status: integer(200, 599),
    headers: ruleValues,
    body: by((path, value) => checkText(path, value, 1_048_576)),
  },
  ['status'],
)

const rateKey: Check = (path, value, problems) => {
  if (typeof value === 'string') oneOf('client-address', 'none')(path, value, problems)
  else object<{ header: string }>({ header: by(checkFieldName) }, ['header'])(path, value, problems)
}

const limits = object<RouteLimits>({
  bodyBytes: integer(0, Number.MAX_SAFE_INTEGER),
  concurrency: integer(1, 1_000_000),
  rate: object<RouteRateLimit>({ limiter: name, key: rateKey }, ['limiter']),
  replayBytes: integer(0, 67_108_864),
  minBodyRate,
})

/** Prefixes of cookie names have a meaning for browsers: `__Host-` wants Secure and the path `/`. */
const cookieName = by((path, value) => {
  if (/^[!#$%&'*+\-.^_`|~\w]{1,64}$/.test(checkText(path, value, 64))) return
  throw invalidError(path, value, 'the name of a cookie')
})

const affinity = object<AffinitySpec>(
  {
    cookie: cookieName,
    ttlMs: by((path, value) => checkInteger(path, value, { min: 1_000, max: 400 * 24 * 3_600_000 })),
    path: by((path, value) => {
      if (!/^\/[\w\-.~!$&'()*+,=:@/%]*$/.test(checkText(path, value, 1_024))) throw invalidError(path, value, 'a path')
    }),
    sameSite: oneOf('strict', 'lax', 'none'),
    secure: by(checkBoolean),
  },
  ['cookie'],
)

const filter: Check = (path, value, problems) => {
  const spec = problems.attempt(() => checkObject(path, value))
  if (spec) name(`${path}.filter`, spec['filter'], problems)
}

/** A route, without what depends on the rest of the table. */
export const checkRoute: Check = object<RouteSpec>(
  {
    name,
    listeners: listOf(name, { min: 1, max: 100 }),
    match: checkMatch,
    forward,
    redirect: object<RedirectSpec>({
      status: oneOf(301, 302, 303, 307, 308),
      scheme: oneOf('http', 'https'),
      host: authority,
      path: template,
      prefix: template,
    }),
    respond: response,
    mirror: object<MirrorSpec>(
      {
        service,
        percent: by((path, value) => checkNumber(path, value, { min: 0, max: 100 })),
        concurrency: integer(1, 100_000),
        bodyBytes: integer(0, 64 * 1_048_576),
      },
      ['service'],
    ),
    rewrite: object<RewriteSpec>({ prefix: template, path: template, host: authority }),
    headers: object<{ request: HeaderRules; response: HeaderRules }>({ request: rules, response: rules }),
    affinity,
    options: by(checkObject),
    limits,
    timeouts: object<RouteTimeouts>({ headMs: duration, idleMs: duration, maxMs: duration }),
    push: by(checkBoolean),
    filters: listOf(filter, { max: 50 }),
  },
  ['name'],
)
