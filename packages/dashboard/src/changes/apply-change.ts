import { type Registry, SdError } from '@sd/core'
import type { ConfigReader } from '../configs/config-reader.ts'
import type { DashboardFleet } from '../fleet-interface.ts'
import type { ChangeRequest } from '../protocol.ts'

/** What a change did. */
export interface ChangeOutcome {
  readonly before?: unknown
  readonly after?: unknown
}

/** What changes are applied to. */
export interface ChangeTargets {
  readonly fleet: DashboardFleet
  readonly configs: ConfigReader
  /** Absent if no instance may be removed. */
  readonly registry: Pick<Registry, 'deregister'> | undefined
}

/** The thing that a change is about, for the audit. */
export function targetOf(change: ChangeRequest): string {
  if ('key' in change) return `${change.source} ${change.key}`
  if (change.action === 'breaker')
    return `${change.processId} ${change.service}${change.instanceId === undefined ? '' : `/${change.instanceId}`}`
  if (change.action === 'alerts.silence') return `${change.processId} ${change.rule}`
  if (change.action === 'alerts.unsilence') return `${change.processId} ${change.id}`
  if (change.action === 'deregister') return `${change.service}/${change.instanceId}`
  return change.processId
}

/** Makes a change. @throws SdError why it was refused */
export async function applyChange(
  change: ChangeRequest,
  author: string,
  { fleet, configs, registry }: ChangeTargets,
  signal: AbortSignal,
): Promise<ChangeOutcome> {
  const { reason } = change
  if ('key' in change) return applyToConfig(change, author, configs, signal)
  if (change.action === 'deregister') {
    if (!registry) throw new SdError('SD_UNSUPPORTED', 'The dashboard was given no registry to remove instances from')
    await registry.deregister(change.service, change.instanceId, { signal })
    return { before: 'registered', after: 'removed' }
  }
  const send = async (path: string, body: object): Promise<ChangeOutcome> => ({
    after: await fleet.change(change.processId, path, { ...body, reason: `${reason} (${author})` }),
  })
  switch (change.action) {
    case 'breaker': {
      const { service, instanceId, state } = change
      const instance = instanceId === undefined ? '' : `/${encodeURIComponent(instanceId)}`
      return send(`/breakers/${encodeURIComponent(service)}${instance}`, { state })
    }
    case 'draining':
      return send('/draining', { draining: change.draining })
    case 'alerts.silence': {
      const { rule, labels, durationMs } = change
      return send('/alerts/silences', { rule, ...(labels && { labels }), durationMs })
    }
    case 'alerts.unsilence':
      return send(`/alerts/silences/${encodeURIComponent(change.id)}/expire`, {})
  }
}

async function applyToConfig(
  change: Extract<ChangeRequest, { readonly key: string }>,
  author: string,
  configs: ConfigReader,
  signal: AbortSignal,
): Promise<ChangeOutcome> {
  const { source, key, reason: comment } = change
  const write = { author, comment, signal }
  if (change.action === 'config.rollback') {
    const { version, ifVersion } = change
    const written = await configs.historyOf(source, key).rollback(version, { ...write, ifVersion })
    return { before: { version: ifVersion }, after: { version: written.version, of: version, state: written.state } }
  }
  const canary = configs.canaryOf(source, key)
  const current = await canary.current({ signal })
  const before = current && { rule: current.rule }
  if (change.action === 'canary.retarget') {
    const rule = { ...current?.rule, share: change.share }
    await canary.retarget(rule, write)
    return { before, after: { rule } }
  }
  await (change.action === 'canary.promote' ? canary.promote(write) : canary.abort(write))
  return { before, after: change.action === 'canary.promote' ? 'all instances' : 'no instance' }
}
