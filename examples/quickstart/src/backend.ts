import type { Registry } from '@sd/core'
import type { InstancePlan, RunningInstance } from './instance.ts'

/** Where the instances of a run register, and how they are started. */
export interface Backend {
  /** The registry's address without credentials, and what an instance is, for the screen. */
  readonly label: string
  /** Put before the names of services, so that two runs on one registry do not meet; empty where none can. */
  readonly scope: string
  /** The registry client of the caller. */
  readonly registry: Registry
  /** Starts an instance with a registry client of its own, and waits until it is registered. */
  start(plan: InstancePlan): Promise<RunningInstance>
  /** Removes what killed instances left behind, and ends the caller's client. */
  close(): Promise<void>
}
