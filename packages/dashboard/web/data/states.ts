import type { StateReport } from '@sd/core'
import type { FleetModel, FleetProcess } from '@sd/fleet'

/** The report of one kind. */
export type ReportOf<Kind extends StateReport['kind']> = Extract<StateReport, { readonly kind: Kind }>

/** The reports of one kind of a process. */
export function reportsOf<Kind extends StateReport['kind']>({ states }: FleetProcess, kind: Kind): readonly ReportOf<Kind>[] {
  return states.filter((state): state is ReportOf<Kind> => state.kind === kind)
}

/** A breaker and its process. */
export interface BreakerRow {
  readonly key: string
  readonly process: FleetProcess
  readonly report: ReportOf<'breaker'>
}

/** The breakers of all callers of a service. */
export function breakersOf({ processes }: FleetModel, service: string): readonly BreakerRow[] {
  return processes.flatMap((process) =>
    reportsOf(process, 'breaker')
      .filter((report) => report.service === service)
      .map((report) => ({ key: `${process.processId} ${report.breaker} ${report.instanceId ?? ''}`, process, report })),
  )
}
