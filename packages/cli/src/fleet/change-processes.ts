import { SdError, toWireError } from '@sd/core'
import type { FleetProcess } from '@sd/fleet'
import type { WriteContext } from '../command.ts'
import { type Line, lines, styled, type View } from '../output/view.ts'

/** What one process answered to a change. */
export interface ProcessChange {
  readonly processId: string
  readonly process: string
  readonly isChanged: boolean
  readonly error?: ReturnType<typeof toWireError>
}

/** The processes, if all of them permit the change. @throws SdError `SD_UNSUPPORTED` that names those that do not */
export function checkControl(processes: readonly FleetProcess[], control: FleetProcess['controls'][number]): void {
  const without = processes.filter(({ controls }) => !controls.includes(control)).map(({ name }) => name)
  if (without.length === 0) return
  const advice = `hand it over with the option controls of @sd/admin`
  throw new SdError(
    'SD_UNSUPPORTED',
    `${without.join(', ')} may not be changed: its admin endpoint has no control "${control}"; ${advice}`,
  )
}

/** Sends a change to processes, one after the other. One that refuses it does not stop the others. */
export async function changeProcesses(
  context: WriteContext,
  processes: readonly FleetProcess[],
  path: string | ((process: FleetProcess) => string),
  body: object,
): Promise<readonly ProcessChange[]> {
  const results: ProcessChange[] = []
  for (const process of processes) {
    const { processId, name } = process
    try {
      await context.changeProcess(processId, typeof path === 'string' ? path : path(process), body)
      results.push({ processId, process: name, isChanged: true })
    } catch (error) {
      if (!(error instanceof SdError) || context.signal.aborted) throw error
      results.push({ processId, process: name, isChanged: false, error: toWireError(error) })
    }
  }
  return results
}

/** A line for each process. */
export function describeChanges(results: readonly ProcessChange[], done: string): View {
  const described = results.map(
    ({ process, error }): Line =>
      error ? [styled('red', `${process} refused: `), `${error.code}: ${error.message}`] : `${process}: ${done}`,
  )
  return [lines(...described)]
}
