import { checkName, masking, SdError, toWireError, withTimeout } from '@sd/core'
import type { Principal, ResolvedAdminOptions } from '../options.ts'
import type { AuditEntry, ChangeReport } from '../protocol.ts'
import type { EventJournal } from '../record/event-journal.ts'
import { alertRoutes } from './alerts.ts'
import { breakerRoute } from './breakers.ts'
import type { ChangeRoute } from './change.ts'
import { configRoutes } from './config.ts'
import { drainingRoute } from './draining.ts'
import { historyRoutes } from './histories.ts'
import { logLevelRoute } from './log-level.ts'
import { tryCallRoute } from './try-call.ts'

/** All changes that exist. Those whose control was not handed over are refused. */
export const changeRoutes: readonly ChangeRoute[] = [
  breakerRoute,
  ...configRoutes,
  ...alertRoutes,
  drainingRoute,
  logLevelRoute,
  ...historyRoutes,
  tryCallRoute,
]

const changeLimitMs = 40_000
const longestReason = 500

/** A request for a change. */
export interface ChangeAttempt {
  readonly route: ChangeRoute
  readonly segments: readonly string[]
  readonly body: Readonly<Record<string, unknown>>
  readonly principal: Principal
  /** Address of the client. */
  readonly from: string
}

/**
 * Makes a change, and writes it to the audit and the journal: also if it fails.
 *
 * @throws SdError `SD_INVALID`, `SD_DENIED`, `SD_NOT_FOUND`, `SD_TIMEOUT`, or what the changed part throws
 */
export async function makeChange(
  { controls, onAudit }: ResolvedAdminOptions,
  journal: EventJournal,
  { route, segments, body: given, principal, from }: ChangeAttempt,
): Promise<ChangeReport> {
  const { action, control } = route
  const { reason: text, ...body } = given
  const reason = checkName('body.reason', text, longestReason)
  const entry = { by: principal.name, from, action, reason: masking.text(reason) }
  let target = segments.join('/') || control
  let before: unknown
  function audit(rest: Pick<AuditEntry, 'after' | 'error'>): void {
    onAudit({ at: Date.now(), ...entry, target, ...(before !== undefined && { before }), ...rest })
  }
  try {
    if (principal.isReadOnly) throw new SdError('SD_DENIED', `${principal.name} may only read`)
    const change = await route.prepare({ controls, segments, body, reason, by: principal.name })
    target = change.target
    before = change.before
    const after = await withTimeout({ timeoutMs: changeLimitMs, what: action }, async (signal) => change.run({ signal }))
    audit(after === undefined ? {} : { after })
    journal.add({ kind: 'change', severity: 'info', text: `${action} ${target}: ${reason}`, by: principal.name })
    return { action, target, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }
  } catch (error) {
    audit({ error: toWireError(error) })
    throw error
  }
}
