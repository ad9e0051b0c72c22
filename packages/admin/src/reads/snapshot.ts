import { createHash } from 'node:crypto'
import { collectStates, type HealthAnswer, inquire, type LockAnswer, masking } from '@sd/core'
import type { ResolvedAdminOptions } from '../options.ts'
import type { AdminControl, ProcessSnapshot, SystemReport } from '../protocol.ts'
import type { Recorder } from '../record/recorder.ts'
import { readDatabases } from './databases.ts'
import { readProcessInfo } from './process-info.ts'

/** What a reader polls. @param controls what the principal may change */
export async function readSnapshot(
  options: ResolvedAdminOptions,
  recorder: Recorder,
  controls: readonly AdminControl[],
): Promise<ProcessSnapshot> {
  const health = readHealth()
  const [info, system] = await Promise.all([readProcessInfo(options, controls), readSystem(options, recorder, health)])
  return {
    info,
    states: collectStates(),
    edges: recorder.edges.report(),
    system,
    lifecycles: inquire('lifecycle'),
    health,
    alerts: inquire('alerts'),
    locks: readLocks(),
    configs: inquire('config'),
    gateways: inquire('gateways'),
  }
}

/** Health of this process. Details under keys that look secret are masked. */
export function readHealth(): readonly HealthAnswer[] {
  return inquire('health').map((answer) => ({
    ...answer,
    checks: answer.checks.map(({ details, ...check }) => ({
      ...check,
      ...(details && { details: masking.value(details) as typeof details }),
    })),
  }))
}

/** Locks that this process holds. Secrets in the texts of holders are masked. */
export function readLocks(): readonly LockAnswer[] {
  return inquire('locks').map(({ value, ...lock }) => ({ ...lock, value: masking.text(value) }))
}

async function readSystem(
  { metrics }: ResolvedAdminOptions,
  { system }: Recorder,
  health: readonly HealthAnswer[],
): Promise<SystemReport> {
  return {
    ...system.latest,
    heapLimitBytes: system.heapLimitBytes,
    uptimeMs: Math.round(process.uptime() * 1_000),
    databases: await readDatabases(metrics, health),
  }
}

/**
 * Identifies the content of a snapshot. Clocks are left out, and CPU, memory and delays are rounded to coarse steps, so that
 * an idle process is not read again and again.
 */
export function snapshotTag({ info, system, ...rest }: ProcessSnapshot): string {
  const { now: _, ...process } = info
  const { cpu, residentBytes, heapUsedBytes, loopDelayMs, databases } = system
  const coarse = [
    stepOf(cpu, 0.05),
    stepOf(residentBytes, 16 * 1_048_576),
    stepOf(heapUsedBytes, 16 * 1_048_576),
    stepOf(loopDelayMs, 10),
    ...databases.map(({ latencyMs = 0, ...database }) => ({ ...database, latency: stepOf(latencyMs, 10) })),
  ]
  const text = JSON.stringify([process, coarse, rest])
  return `W/"${createHash('sha256').update(text).digest('base64url').slice(0, 27)}"`
}

function stepOf(value: number, size: number): number {
  return Math.round(value / size)
}
