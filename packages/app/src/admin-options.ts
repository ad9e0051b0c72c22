import type { AdminControls, ServeAdminOptions } from '@sd/admin'
import { checkBoolean, checkKnownKeys, checkObject } from '@sd/core'

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

/** @throws SdError `SD_INVALID` that names the option */
export function checkAdmin(admin: unknown): void {
  if (admin === undefined || typeof admin === 'boolean') return
  const { controls } = checkObject('admin', admin)
  if (controls === undefined) return
  const names = ['breakers', 'calls', 'config', 'draining'] as const
  checkKnownKeys('admin.controls', checkObject('admin.controls', controls), [...names, 'alerts', 'histories', 'logging'])
  for (const name of names) checkBoolean(`admin.controls.${name}`, (controls as AppAdminControls)[name] ?? false)
}
