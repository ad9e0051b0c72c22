import type { IncomingMessage } from 'node:http'
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkObject,
  guardListener,
  invalidError,
} from '@sd/core'
import type { AdminControls } from './controls.ts'
import type { AuditEntry } from './protocol.ts'
import type { MetricsReader } from './reads/databases.ts'

/** The person or program that asks. */
export interface Principal {
  /** Name in the audit. */
  readonly name: string
  /** Whether it may not change anything. @default false */
  readonly isReadOnly?: boolean
}

/** A secret that every request must have as `authorization: Bearer …`. */
export interface TokenAuthentication {
  /** At least 16 characters; or a function that returns it, called for every request. */
  readonly token: string | (() => string | Promise<string>)
  /** Name of its holder in the audit. @default 'token' */
  readonly name?: string
}

/** Returns the principal of a request; `undefined` if it may not ask. */
export type AuthenticateRequest = (request: IncomingMessage) => Principal | undefined | Promise<Principal | undefined>

/**
 * The rule for requests that are answered. `'loopback'`: those that come from this machine to a name of this machine, without a
 * proxy in between. A proxy on this machine is noticed by the header fields that proxies add: don't use it on a port to which one
 * passes requests.
 */
export type Authentication = 'loopback' | TokenAuthentication | AuthenticateRequest

/** Options of {@link createAdmin}. */
export interface AdminOptions {
  /** The rule for requests that are answered. There is no default, so that no endpoint is open by accident. */
  readonly authenticate: Authentication
  /** Name of the process, such as `cron`. @default its first service, otherwise host and process id */
  readonly name?: string
  /** The instance that this process is, if something else registers it, such as Kubernetes. @default what it registers itself */
  readonly self?: { readonly service: string; readonly instanceId: string }
  /**
   * Values of the `Host` header that are accepted, with or without a port, besides names of this machine and the address that
   * the client has connected to. @default []
   */
  readonly hosts?: readonly string[]
  /** What may be changed. @default {} */
  readonly controls?: AdminControls
  /** For how long a value is kept for each second, in milliseconds, at most an hour; 0 for none. @default 300_000 */
  readonly historyMs?: number
  /** Receives every change and every refused one. @default writes a line of JSON to stderr */
  readonly onAudit?: (entry: AuditEntry) => void
  /** Metrics with the collectors of databases, such as what `createMetrics()` of `@sd/metrics-prometheus` returns. @default none */
  readonly metrics?: { readonly register: MetricsReader }
}

/** {@link AdminOptions} after validation, with all defaults filled in. */
export interface ResolvedAdminOptions {
  readonly authenticate: Authentication
  readonly name: string | undefined
  readonly self: { readonly service: string; readonly instanceId: string } | undefined
  /** In lower case. */
  readonly hosts: ReadonlySet<string>
  readonly controls: AdminControls
  readonly historyMs: number
  readonly onAudit: (entry: AuditEntry) => void
  readonly metrics: MetricsReader | undefined
}

/** Names of the options. */
export const adminKeys: readonly (keyof AdminOptions)[] = [
  'authenticate',
  'name',
  'self',
  'hosts',
  'controls',
  'historyMs',
  'onAudit',
  'metrics',
]
const controlKeys = ['client', 'allowBreakers', 'allowCalls', 'config', 'alerts', 'registrations', 'histories', 'logging']
const shortestToken = 16
const longestHistoryMs = 3_600_000

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveAdminOptions(options: AdminOptions): ResolvedAdminOptions {
  checkKnownKeys('', checkObject('options', options), adminKeys)
  const { authenticate, name, self, hosts = [], controls = {}, onAudit = writeAudit, metrics } = options
  checkAuthentication(authenticate)
  if (self !== undefined) checkSelf(self)
  if (!Array.isArray(hosts)) throw invalidError('hosts', hosts, 'an array of host names')
  if (metrics !== undefined) checkMetrics(metrics)
  return {
    authenticate,
    name: name === undefined ? undefined : checkName('name', name),
    self,
    hosts: new Set(hosts.map((host, index) => checkName(`hosts[${index}]`, host).toLowerCase())),
    controls: checkControls(controls),
    historyMs: checkInteger('historyMs', options.historyMs ?? 300_000, { min: 0, max: longestHistoryMs }),
    onAudit: guardListener('onAudit', checkFunction('onAudit', onAudit)),
    metrics: metrics?.register,
  }
}

/** Returns `token` if it is long enough; otherwise throws `SD_INVALID` without showing it. */
export function checkToken(field: string, token: unknown): string {
  if (typeof token === 'string' && token.length >= shortestToken) return token
  const got = typeof token === 'string' ? `${token.length} characters` : `a value of type ${typeof token}`
  throw invalidError(field, got, `a secret of at least ${shortestToken} characters`)
}

function checkAuthentication(authenticate: unknown): void {
  if (authenticate === 'loopback' || typeof authenticate === 'function') return
  if (typeof authenticate !== 'object' || authenticate === null) {
    const got = authenticate === undefined ? undefined : `a value of type ${typeof authenticate}`
    throw invalidError('authenticate', got, `{ token }, a function, or 'loopback' for requests from this machine only`)
  }
  checkKnownKeys('authenticate', authenticate, ['token', 'name'])
  const { token, name } = authenticate as TokenAuthentication
  if (typeof token !== 'function') checkToken('authenticate.token', token)
  if (name !== undefined) checkName('authenticate.name', name)
}

function checkSelf(self: unknown): void {
  const { service, instanceId } = checkObject('self', self)
  checkKnownKeys('self', self as object, ['service', 'instanceId'])
  checkName('self.service', service)
  checkName('self.instanceId', instanceId)
}

function checkMetrics(metrics: unknown): void {
  const register = checkObject('metrics.register', checkObject('metrics', metrics)['register'])
  checkFunction('metrics.register.getMetricsAsArray', register['getMetricsAsArray'] as () => unknown)
}

function checkControls(controls: AdminControls): AdminControls {
  checkKnownKeys('controls', checkObject('controls', controls), controlKeys)
  const { client, config, alerts, registrations, histories, logging } = controls
  const needed: readonly (readonly [string, unknown, string])[] = [
    ['client', client, 'breaker'],
    ['config', config, 'reload'],
    ['alerts', alerts, 'silence'],
    ...Object.entries(checkObject('controls.histories', histories ?? {})).map(
      ([name, history]) => [`histories.${name}`, history, 'rollback'] as const,
    ),
  ]
  for (const [name, control, method] of needed) {
    if (control === undefined) continue
    checkFunction(`controls.${name}.${method}`, checkObject(`controls.${name}`, control)[method] as () => unknown)
  }
  if (logging !== undefined) checkName('controls.logging.level', (checkObject('controls.logging', logging) as never)['level'])
  if (registrations !== undefined && typeof registrations !== 'function' && !Array.isArray(registrations)) {
    throw invalidError('controls.registrations', registrations, 'an array of registrations, or a function that returns it')
  }
  for (const name of ['allowBreakers', 'allowCalls'] as const) {
    if (checkBoolean(`controls.${name}`, controls[name] ?? false) && client === undefined) {
      throw invalidError(`controls.${name}`, true, 'it together with controls.client')
    }
  }
  return controls
}

function writeAudit(entry: AuditEntry): void {
  process.stderr.write(`${JSON.stringify({ audit: '@sd/admin', ...entry })}\n`)
}
