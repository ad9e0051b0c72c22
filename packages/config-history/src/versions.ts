import type { ConfigVersion, HistoryRecord, TrackedVersion } from './record.ts'

/** The versions in a history, oldest first. The last outcome of a version applies: its own writer knows best. */
export function versionsOf(records: readonly HistoryRecord[]): readonly TrackedVersion[] {
  const versions = new Map<number, TrackedVersion>()
  for (const { body, timeMs, hash } of records) {
    if (body.type === 'version') {
      const { type: _, ...said } = body
      versions.set(body.version, { ...said, state: body.change === 'external' ? 'written' : 'pending', timeMs, hash })
    } else if (body.type === 'outcome') {
      const found = versions.get(body.version)
      if (found) versions.set(body.version, { ...found, state: body.state })
    } else if (body.live && !versions.has(body.live.version)) {
      versions.set(body.live.version, body.live)
    }
  }
  return [...versions.values()].sort((a, b) => a.version - b.version)
}

/** The version that the source should have; `undefined` before the first one. */
export function liveOf<T extends ConfigVersion>(versions: readonly T[]): T | undefined {
  return versions.findLast(({ state }) => state === 'written')
}
