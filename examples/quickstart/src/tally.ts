/** Counts of one instance, as seen by the client. */
export interface InstanceTally {
  /** Service of the instance. */
  readonly service: string
  /** Calls that it answered. */
  served: number
  /** Calls that it answered in the current second and in the last full second. */
  thisSecond: number
  lastSecond: number
  /** When an attempt on it last ended, by `performance.now()`. */
  lastAttemptAt: number
  /** `serving`, or its later state. */
  status: 'serving' | 'joined' | 'left' | 'killed'
}

/** Counts of one run. */
export interface Tally {
  /** Answered calls. */
  answered: number
  /** Failed calls. */
  failed: number
  /** Attempts that were repeated on another instance. */
  retried: number
  /** Message of the first failure, if any. */
  firstFailure: string | undefined
  /** By instance id. */
  readonly instances: Map<string, InstanceTally>
}

/** Creates an empty tally. */
export function createTally(): Tally {
  return { answered: 0, failed: 0, retried: 0, firstFailure: undefined, instances: new Map() }
}

/** The tally of an instance, created on first use. */
export function tallyOf(tally: Tally, service: string, id: string): InstanceTally {
  const found = tally.instances.get(id)
  if (found) return found
  const made: InstanceTally = { service, served: 0, thisSecond: 0, lastSecond: 0, lastAttemptAt: 0, status: 'serving' }
  tally.instances.set(id, made)
  return made
}

/** Ends the current second of every instance. */
export function turnSecond(tally: Tally): void {
  for (const instance of tally.instances.values()) {
    instance.lastSecond = instance.thisSecond
    instance.thisSecond = 0
  }
}
