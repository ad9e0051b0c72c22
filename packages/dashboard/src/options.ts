import { checkBoolean, checkFunction, checkKnownKeys, checkName, checkObject, invalidError, type Registry } from '@sd/core'
import type { DashboardAuditEntry } from './changes/audit.ts'
import type { DashboardConfigs } from './configs/config-interface.ts'
import type { DashboardFleet } from './fleet-interface.ts'
import { safeJson } from './model/safe-json.ts'
import type { Authentication, DashboardAuthentication } from './security/authentication.ts'
import { resolveHosts } from './security/hosts.ts'

/** Options of `createDashboard`. */
export interface DashboardOptions {
  /** The fleet to show, from `createFleet` of `@sd/fleet`. The dashboard does not close it. */
  readonly fleet: DashboardFleet
  /** How users are known. There is no default. */
  readonly authenticate: DashboardAuthentication
  /** Whether users that may write can change something. Without it, the page has no button and every change is refused. @default false */
  readonly write?: boolean
  /**
   * Names in the Host header that are accepted besides those of this machine itself: `localhost`, `127.0.0.1`, `[::1]`. With or without
   * a port. @default []
   */
  readonly hosts?: readonly string[]
  /** Path below which the handler is called with whole paths, such as `/sd`. Express and Nest cut it off themselves. @default '' */
  readonly basePath?: string
  /** Folder with the files of the page, for a program that is bundled: a bundler leaves them behind. @default that of the package */
  readonly page?: URL
  /**
   * The registry, if users may remove instances that have no owner, such as those of a process that is paused. The dashboard does not
   * close it. @default none: instances can't be removed
   */
  readonly registry?: Pick<Registry, 'deregister'>
  /** Configuration to show. @default [] */
  readonly configs?: readonly DashboardConfigs[]
  /**
   * Template of a link to the logs of a process, such as `https://logs.example/?q={service}+{instance}`. `{service}`, `{instance}`,
   * `{process}` and `{name}` are replaced. @default no link
   */
  readonly logsLink?: string
  /** Template of a link to the traces of a service, with `{service}` and `{instance}`. @default no link */
  readonly traceLink?: string
  /** Receives each change, login and failed login. @default one line of JSON to stderr */
  readonly onAudit?: (entry: DashboardAuditEntry) => void
  /** Receives errors that no user sees, such as those of the fleet. @default dropped */
  readonly onError?: (error: unknown) => void
}

/** Options with their defaults filled in. */
export interface ResolvedDashboardOptions {
  readonly fleet: DashboardFleet
  readonly authentication: Authentication
  readonly write: boolean
  readonly hosts: ReadonlySet<string>
  readonly basePath: string
  readonly page: URL
  readonly registry: Pick<Registry, 'deregister'> | undefined
  readonly configs: readonly DashboardConfigs[]
  readonly logsLink: string | undefined
  readonly traceLink: string | undefined
  readonly onAudit: (entry: DashboardAuditEntry) => void
  readonly onError: (error: unknown) => void
}

const known: readonly (keyof DashboardOptions)[] = [
  'fleet',
  'authenticate',
  'write',
  'hosts',
  'basePath',
  'page',
  'registry',
  'configs',
  'logsLink',
  'traceLink',
  'onAudit',
  'onError',
]

/** The same seen from `src` and from `dist`. */
const builtPage = new URL('../dist/web/', import.meta.url)

/** Checks the options other than `authenticate`. @throws SdError `SD_INVALID` */
export function resolveDashboardOptions(
  options: Omit<DashboardOptions, 'authenticate'>,
  authentication: Authentication,
): ResolvedDashboardOptions {
  checkKnownKeys('', checkObject('options', options), known)
  const fleet = checkObject('fleet', options.fleet) as unknown as DashboardFleet
  for (const method of ['watch', 'explain', 'ask', 'change', 'history'] as const) checkFunction(`fleet.${method}`, fleet[method])
  return {
    fleet,
    authentication,
    write: checkBoolean('write', options.write ?? false),
    hosts: resolveHosts(options.hosts),
    basePath: checkBasePath(options.basePath ?? ''),
    page: checkPage(options.page ?? builtPage),
    registry: checkRegistry(options.registry),
    configs: checkConfigs(options.configs ?? []),
    logsLink: checkLink('logsLink', options.logsLink),
    traceLink: checkLink('traceLink', options.traceLink),
    onAudit: checkFunction('onAudit', options.onAudit ?? writeAudit),
    onError: checkFunction('onError', options.onError ?? (() => undefined)),
  }
}

function checkBasePath(path: string): string {
  if (typeof path !== 'string' || (path !== '' && !/^(?:\/[\w.~-]+)+\/?$/.test(path)))
    throw invalidError('basePath', path, 'a path such as /sd')
  return path.replace(/\/$/, '')
}

function checkPage(page: URL): URL {
  if (!(page instanceof URL) || page.protocol !== 'file:' || !page.pathname.endsWith('/'))
    throw invalidError('page', page, "the URL of a folder, such as new URL('web/', import.meta.url)")
  return page
}

function checkRegistry(registry: DashboardOptions['registry']): DashboardOptions['registry'] {
  if (registry !== undefined) checkFunction('registry.deregister', checkObject('registry', registry)['deregister'] as () => void)
  return registry
}

function checkConfigs(configs: readonly DashboardConfigs[]): readonly DashboardConfigs[] {
  if (!Array.isArray(configs)) throw invalidError('configs', configs, 'a list')
  const names = new Set<string>()
  for (const [index, one] of configs.entries()) {
    const field = `configs[${index}]`
    checkKnownKeys(field, checkObject(field, one), ['source', 'histories', 'canaries'])
    const name = checkName(`${field}.source.name`, checkObject(`${field}.source`, one.source)['name'])
    checkFunction(`${field}.source.load`, one.source.load)
    if (names.has(name)) throw invalidError(`${field}.source.name`, name, 'another name than the other sources have')
    names.add(name)
    for (const [key, history] of Object.entries(checkObject(`${field}.histories`, one.histories ?? {})))
      checkFunction(`${field}.histories.${key}.rollback`, (history as { readonly rollback: () => void }).rollback)
    for (const [key, canary] of Object.entries(checkObject(`${field}.canaries`, one.canaries ?? {})))
      checkFunction(`${field}.canaries.${key}.retarget`, (canary as { readonly retarget: () => void }).retarget)
  }
  return configs
}

/** A template must be a link that a browser opens outside of the page, and nothing else: `javascript:` is not. */
function checkLink(field: string, link: string | undefined): string | undefined {
  if (link === undefined) return undefined
  if (typeof link !== 'string' || !/^https?:\/\/[^\s{}]/.test(link) || link.length > 2_000)
    throw invalidError(field, link, 'a template that begins with http:// or https:// and a host')
  return link
}

function writeAudit(entry: DashboardAuditEntry): void {
  process.stderr.write(`${safeJson({ audit: 'sd-dashboard', ...entry })}\n`)
}
