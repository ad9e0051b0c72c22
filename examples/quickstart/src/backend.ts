import type { Registry } from '@sd/core'
import type { InstancePlan, RunningInstance } from './instance.ts'

/** The registry of a run, and how its instances are started. */
export interface Backend {
  /** Text for the screen: address of the registry without credentials, and kind of the instances. */
  readonly label: string
  /** Prefix of service names, so that two runs on one registry do not interfere; empty if that is impossible. */
  readonly scope: string
  /** The registry client of the caller. */
  readonly registry: Registry
  /** Starts an instance with its own registry client, and waits until it is registered. */
  start(plan: InstancePlan): Promise<RunningInstance>
  /** Removes registrations of killed instances, and closes the client. */
  close(): Promise<void>
}
