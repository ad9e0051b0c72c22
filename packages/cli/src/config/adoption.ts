import { SdError, sleep } from '@sd/core'
import type { FleetModel } from '@sd/fleet'
import type { FleetReader } from '../backends.ts'
import type { CommandContext, OptionSpec } from '../command.ts'
import { readDuration } from '../duration.ts'
import { type Line, styled } from '../output/view.ts'

const pauseMs = 200

/** Option of commands that wait for processes to take over a change. */
export const waitOption: OptionSpec = {
  flags: '--wait <time>',
  description: 'how long to wait for processes to adopt the change; 3s otherwise',
}

/** The processes that adopted a change. */
export interface Adoption {
  /** Names of processes whose configuration changed. */
  readonly changed: readonly string[]
  /** Names of processes that read this source, and whose configuration did not change. */
  readonly unchanged: readonly string[]
  readonly afterMs: number
}

/**
 * Makes a change of the configuration, and sees which processes that read it get another version.
 *
 * @returns also `adoption`, unless no process that reads the source answers
 */
export async function watchAdoption<T>(
  context: CommandContext,
  source: string,
  change: () => Promise<T>,
): Promise<{ readonly result: T; readonly adoption?: Adoption }> {
  const waitMs = readDuration('--wait', context.option('wait') ?? '3s')
  const fleet = await openFleet(context)
  const before = fleet && versionsOf(await fleet.refresh(), source)
  const result = await change()
  if (!fleet || !before || before.size === 0) return { result }
  try {
    return { result, adoption: await follow(fleet, source, before, waitMs, context.signal) }
  } catch (error) {
    // What was written stays written.
    if (error instanceof SdError) return { result }
    throw error
  }
}

async function openFleet(context: CommandContext): Promise<FleetReader | undefined> {
  try {
    return await context.openFleet()
  } catch (error) {
    // The context has no registry.
    if (error instanceof SdError && error.code === 'SD_INVALID') return undefined
    throw error
  }
}

interface ReaderVersion {
  readonly name: string
  readonly versions: string
}

/** Versions of the configurations that have this source, by process. */
function versionsOf(model: FleetModel, source: string): ReadonlyMap<string, ReaderVersion> {
  const readers = model.processes.flatMap(({ processId, name, state, configs }) => {
    const own = configs.filter(({ sources }) => sources.some((one) => one.source === source))
    if (state !== 'answers' || own.length === 0) return []
    return [[processId, { name, versions: own.map(({ config, version }) => `${config} ${version}`).join() }] as const]
  })
  return new Map(readers)
}

async function follow(
  fleet: FleetReader,
  source: string,
  before: ReadonlyMap<string, ReaderVersion>,
  waitMs: number,
  signal: AbortSignal,
): Promise<Adoption> {
  const startedAt = performance.now()
  for (;;) {
    const now = versionsOf(await fleet.refresh(), source)
    const hasChanged = ([processId, { versions }]: readonly [string, ReaderVersion]): boolean =>
      (now.get(processId)?.versions ?? versions) !== versions
    const afterMs = Math.round(performance.now() - startedAt)
    const readers = [...before]
    const changed = readers.filter(hasChanged)
    if (changed.length === readers.length || afterMs >= waitMs) {
      const namesOf = (all: typeof readers): readonly string[] => all.map(([, { name }]) => name).sort()
      return { changed: namesOf(changed), unchanged: namesOf(readers.filter((one) => !hasChanged(one))), afterMs }
    }
    await sleep(pauseMs, signal)
  }
}

/** The same in a sentence, or no line. */
export function describeAdoption(adoption: Adoption | undefined): readonly Line[] {
  if (!adoption) return []
  const { changed, unchanged, afterMs } = adoption
  const total = changed.length + unchanged.length
  const line = `Adopted by ${changed.length} of ${total} processes that read it, after ${(afterMs / 1_000).toFixed(1)} s.`
  return unchanged.length === 0
    ? [line]
    : [line, styled('yellow', `Their configuration is the same as before: ${unchanged.join(', ')}`)]
}
