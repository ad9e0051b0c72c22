import type { StreamEnd } from './stream-protocol.ts'

/** What is reported about a connection or session when it closes. */
export class StreamRecord {
  route = ''
  service: string | undefined
  instanceId: string | undefined
  bytesIn = 0
  bytesOut = 0
  reason: StreamEnd | undefined
  readonly startedAt: number = performance.now()
}

const records = new WeakMap<object, StreamRecord>()

/** The record of a connection. Its listener reads it, and the call that connects it writes it. */
export function recordOf(connection: object): StreamRecord {
  let record = records.get(connection)
  if (!record) {
    record = new StreamRecord()
    records.set(connection, record)
  }
  return record
}

/** The record of a connection that was to be connected to a service. */
export function findRecord(connection: object): StreamRecord | undefined {
  return records.get(connection)
}

/** The fields of the event of a closed connection. */
export function describeRecord(record: StreamRecord): Omit<StreamRecord, 'reason' | 'startedAt'> {
  const { route, service, instanceId, bytesIn, bytesOut } = record
  return { route, service, instanceId, bytesIn, bytesOut }
}
