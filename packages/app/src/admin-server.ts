import type { AdminControls, AdminServer, MetricsReader, ServeAdminOptions } from '@sd/admin'
import { checkBoolean, checkKnownKeys, checkObject, invalidError, prefixField, type Registration, SdError } from '@sd/core'
import type { AppMetrics, AppOptions } from './options.ts'
import type { AppParts } from './parts.ts'

/** What of an application may be changed through its admin endpoint. */
export interface AppAdminControls extends Pick<AdminControls, 'alerts' | 'histories' | 'logging'> {
  /** Circuit breakers of its client. @default false */
  readonly breakers?: boolean
  /** Calls of its client for an explanation. @default false */
  readonly calls?: boolean
  /** Its configuration: reload, and overrides in memory. @default false */
  readonly config?: boolean
  /** Whether its instance gets traffic. @default false */
  readonly draining?: boolean
}

/** Options of the admin endpoint of an application. */
export interface AppAdminOptions extends Omit<ServeAdminOptions, 'controls' | 'metrics' | 'self'> {
  /** TCP port. @default 9465, or any free port if that is in use */
  readonly port?: number
  /** What may be changed. @default nothing */
  readonly controls?: AppAdminControls
}

/** The admin endpoint of an application. */
export interface AppAdmin extends Pick<AdminServer, 'origin' | 'portAt' | 'close'> {
  /** Makes a registration known, which `draining` can change. */
  addRegistration(registration: Registration): void
}

/** Parts of an application that an endpoint can be given. */
type ControlledParts = Pick<AppParts, 'calling' | 'configuration'>

/** Serves the admin endpoint of an application. @throws SdError `SD_INVALID` that names the option, `SD_UNAVAILABLE` */
export async function openAdmin({ service, admin, metrics }: AppOptions, parts: ControlledParts): Promise<AppAdmin | undefined> {
  if (admin === undefined || admin === false) return undefined
  const { controls = {}, ...options } = admin === true ? {} : admin
  const registrations: Registration[] = []
  const { serveAdmin } = await import('@sd/admin')
  const register = readRegister(metrics)
  const complete: ServeAdminOptions = {
    name: service,
    ...options,
    controls: readControls(controls, parts, () => registrations),
    ...(register && { metrics: { register } }),
  }
  let server: AdminServer
  try {
    server = await serveAdmin(complete).catch((error: unknown) => {
      if (options.port !== undefined || !isPortInUse(error)) throw error
      return serveAdmin({ ...complete, port: 0 })
    })
  } catch (error) {
    throw prefixField('admin', error)
  }
  return {
    origin: server.origin,
    portAt: server.portAt,
    addRegistration: (registration) => void registrations.push(registration),
    close: server.close,
  }
}

/** @throws SdError `SD_INVALID` that names the option */
export function checkAdmin(admin: unknown): void {
  if (admin === undefined || typeof admin === 'boolean') return
  const { controls } = checkObject('admin', admin)
  if (controls === undefined) return
  const names = ['breakers', 'calls', 'config', 'draining'] as const
  checkKnownKeys('admin.controls', checkObject('admin.controls', controls), [...names, 'alerts', 'histories', 'logging'])
  for (const name of names) checkBoolean(`admin.controls.${name}`, (controls as AppAdminControls)[name] ?? false)
}

function readControls(
  { breakers = false, calls = false, config = false, draining = false, ...given }: AppAdminControls,
  { calling, configuration }: ControlledParts,
  registrations: () => readonly Registration[],
): AdminControls {
  if (config && !configuration) throw invalidError('admin.controls.config', true, 'the option config besides')
  return {
    ...given,
    ...((breakers || calls) && { client: calling.client, allowBreakers: breakers, allowCalls: calls }),
    ...(config && configuration && { config: configuration.config }),
    ...(draining && { registrations }),
  }
}

/** The register of `createMetrics()` of `@sd/metrics-prometheus`. */
function readRegister(metrics: AppMetrics | undefined): MetricsReader | undefined {
  const register = (metrics as { readonly register?: Partial<MetricsReader> } | undefined)?.register
  return typeof register?.getMetricsAsArray === 'function' ? (register as MetricsReader) : undefined
}

function isPortInUse(error: unknown): boolean {
  return error instanceof SdError && (error.cause as { readonly code?: unknown } | undefined)?.code === 'EADDRINUSE'
}
