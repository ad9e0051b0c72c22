import type { StateReport } from '@sd/core'
import type { ProcessClash } from '../join/join-processes.ts'
import type { CallerView } from '../join/views.ts'
import type { FleetModel, FleetProcess, FleetService, Problem, Traffic } from '../model.ts'

/** What rules judge. */
export interface Facts {
  readonly now: number
  readonly model: Omit<FleetModel, 'problems' | 'changes'>
  /** Services of the model by name. */
  readonly services: ReadonlyMap<string, FleetService>
  /** Processes of the model by id. */
  readonly processes: ReadonlyMap<string, FleetProcess>
  readonly clashes: readonly ProcessClash[]
  /** The service that a called name means, such as `orders` for `orders:admin`. */
  nameOf(called: string): string
  /** Calls of the last minute from a process to a service. */
  pair(processId: string, to: string): Traffic
  /** How callers see a service; empty unless they were asked in the last minute. */
  views(service: string): readonly CallerView[]
}

/** Something that a rule has found. */
export interface Finding extends Pick<Problem, 'severity' | 'about' | 'text' | 'evidence' | 'next'> {
  /** The same while it lasts, unique within the rule. */
  readonly key: string
  /** Since when, by the clock of the reader. @default when it was first found */
  readonly since?: number | undefined
  /** How long it must have lasted before it is a problem, in milliseconds. @default 0 */
  readonly afterMs?: number
}

/** A rule that finds problems. */
export interface Rule {
  readonly name: string
  readonly find: (facts: Facts) => Iterable<Finding>
}

/** A state of a process that answers. */
export interface ProcessState<Kind extends StateReport['kind']> {
  readonly process: FleetProcess
  readonly state: Extract<StateReport, { kind: Kind }>
}

/** The processes that answer: what others said last may no longer be true. */
export function answering({ model }: Facts): readonly FleetProcess[] {
  return model.processes.filter(({ state }) => state === 'answers')
}

/** The states of each kind: several rules read the same ones. */
const statesByKind = new WeakMap<Facts, ReadonlyMap<string, readonly unknown[]>>()

/** The states of one kind, of all processes that answer. */
export function statesOf<Kind extends StateReport['kind']>(facts: Facts, kind: Kind): readonly ProcessState<Kind>[] {
  const known = statesByKind.get(facts) ?? collectStates(facts)
  statesByKind.set(facts, known)
  return (known.get(kind) ?? []) as readonly ProcessState<Kind>[]
}

function collectStates(facts: Facts): ReadonlyMap<string, readonly unknown[]> {
  const byKind = new Map<string, unknown[]>()
  for (const process of answering(facts)) {
    for (const state of process.states) {
      const known = byKind.get(state.kind)
      if (known) known.push({ process, state })
      else byKind.set(state.kind, [{ process, state }])
    }
  }
  return byKind
}

/** A time of a process by the clock of the reader. */
export function atReader(process: FleetProcess, time: number | undefined): number | undefined {
  return time === undefined ? undefined : time + process.clockOffsetMs
}

/** The earliest of several times; `undefined` if there is none. */
export function earliest(times: Iterable<number | undefined>): number | undefined {
  const known = [...times].filter((time) => time !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
