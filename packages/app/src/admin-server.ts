import type { AdminControls, AdminServer, MetricsReader, ServeAdminOptions } from '@sd/admin'
import { invalidError, prefixField, type Registration, SdError } from '@sd/core'
import type { AppAdminControls } from './admin-options.ts'
import type { Calling } from './calling.ts'
import type { AppConfiguration } from './configuration.ts'
import type { AppMetrics, AppOptions } from './options.ts'

/** The admin endpoint of an application. */
export interface AppAdmin extends Pick<AdminServer, 'origin' | 'portAt' | 'close'> {
  /** Makes a registration known, which `draining` can change. */
  addRegistration(registration: Registration): void
}

/** Parts of an application that an endpoint can be given. */
interface ControlledParts {
  readonly calling: Pick<Calling, 'client'>
  readonly configuration: Pick<AppConfiguration, 'config'> | undefined
}

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
