import { masking, publishTelemetry } from '@sd/core'
import type { Log } from './log.ts'
import type { RecordBody, TrackedVersion, VersionBody } from './record.ts'

/** Reports versions of an entry on `sd:v1:config:write`. */
export interface WriteReport {
  /** A version was written to the source. @param hash hash of its record */
  written(version: Omit<VersionBody, 'type' | 'base' | 'content'>, hash: string): void
  /** Records were added: changes outside the history, and outcomes of interrupted writes. */
  settled(log: Log, bodies: readonly RecordBody[]): void
}

/** Creates the report of an entry. */
export function createWriteReport(source: string, key: string): WriteReport {
  /** Hash of the last version that was reported: its outcome may be recorded later. */
  let reported: string | undefined

  function publish({ version, change, of, author, comment }: Parameters<WriteReport['written']>[0]): void {
    publishTelemetry('sd:v1:config:write', {
      source,
      key,
      change,
      version,
      ...(of !== undefined && { of }),
      ...(author !== undefined && { author }),
      ...(comment !== undefined && { comment: masking.text(comment) }),
    })
  }
  function settle(pending: TrackedVersion): void {
    if (pending.hash !== reported) publish(pending)
    reported = undefined
  }

  return {
    written(version, hash) {
      reported = hash
      publish(version)
    },
    settled({ pending }, bodies) {
      for (const body of bodies) {
        if (body.type === 'version') publish(body)
        else if (pending && body.type === 'outcome' && body.state === 'written') settle(pending)
      }
    },
  }
}
