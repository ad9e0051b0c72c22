import type { OperationOptions } from '@sd/core'
import type { FleetModel } from '@sd/fleet'
import type { HistoryPoint, HistoryRef } from './protocol.ts'

/** The part of a `Fleet` of `@sd/fleet` that the dashboard uses. */
export interface DashboardFleet {
  /** The newest model. */
  readonly model: FleetModel
  /** Yields the current model, then each new one, until the signal is aborted. Processes are asked only while this is iterated. */
  watch(options?: OperationOptions): AsyncIterable<FleetModel>
  /** Why instances of a service get traffic or not. Plain JSON data. @throws SdError `SD_NOT_FOUND` */
  explain(service: string, options?: OperationOptions & { readonly from?: string }): Promise<unknown>
  /** Asks the admin endpoint of a process. @throws SdError `SD_NOT_FOUND`, or why it did not answer */
  ask(processId: string, path: string, query?: Readonly<Record<string, string>>): Promise<unknown>
  /** Changes something through the admin endpoint of a process. @throws SdError `SD_NOT_FOUND`, `SD_UNSUPPORTED`, or why it was refused */
  change(processId: string, path: string, body: object): Promise<unknown>
  /** Traffic of the last five minutes, oldest first. */
  history(ref: HistoryRef): readonly HistoryPoint[]
}
