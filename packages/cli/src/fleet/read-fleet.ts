import { SdError, sleep } from '@sd/core'
import type { FleetModel, FleetProcess } from '@sd/fleet'
import type { FleetReader } from '../backends.ts'
import type { CommandContext, CommandResult, ReadCommand } from '../command.ts'
import { readDuration } from '../duration.ts'

/** Shows a model. */
export type DescribeModel = (
  model: FleetModel,
  context: CommandContext,
  fleet: FleetReader,
) => CommandResult | Promise<CommandResult>

/**
 * What a command does that shows the model of the fleet: once, or at each poll.
 *
 * @param countsCalls whether it shows traffic, which is known after a second poll
 */
export function readingFleet(
  describe: DescribeModel,
  countsCalls: boolean = false,
): Required<Pick<ReadCommand, 'run' | 'watch'>> {
  return {
    async run(context) {
      const fleet = await context.openFleet()
      return describe(await (countsCalls ? readTraffic(fleet, context) : readModel(fleet)), context, fleet)
    },
    async *watch(context) {
      const fleet = await context.openFleet()
      for await (const model of fleet.watch({ signal: context.signal })) yield await describe(checkKnown(model), context, fleet)
    },
  }
}

/** Reads the model once. @throws SdError that of the registry if it can't be read */
export async function readModel(fleet: FleetReader): Promise<FleetModel> {
  return checkKnown(await fleet.refresh())
}

/** Reads the model twice, because the traffic of a process is what it counts between two answers. */
export async function readTraffic(fleet: FleetReader, context: CommandContext): Promise<FleetModel> {
  const overMs = readDuration('--over', context.option('over') ?? '1s')
  const first = await readModel(fleet)
  if (!first.processes.some(({ state }) => state === 'answers')) return first
  await sleep(overMs, context.signal)
  return readModel(fleet)
}

function checkKnown(model: FleetModel): FleetModel {
  const { isKnown, lastError } = model.registry
  if (isKnown || !lastError) return model
  const { code, message, retryable } = lastError
  throw new SdError(code as SdError['code'], message, { retryable })
}

/** The processes that a text means: an id, a name, a service, or an instance. @throws SdError `SD_NOT_FOUND` */
export function findProcesses(model: FleetModel, text: string): readonly FleetProcess[] {
  const found = model.processes.filter(
    ({ processId, name, services }) =>
      processId === text ||
      name === text ||
      services.some(({ service, instanceId }) => service === text || instanceId === text || `${service}/${instanceId}` === text),
  )
  if (found.length > 0) return found
  const names = model.processes.slice(0, 5).map(({ name }) => name)
  const known = names.length > 0 ? `sdctl processes lists them: ${names.join(', ')}, …` : 'no process has an admin endpoint'
  throw new SdError('SD_NOT_FOUND', `There is no process ${text}; ${known}`)
}

/** The only process that a text means. @throws SdError `SD_NOT_FOUND`, `SD_INVALID` if it means several */
export function findProcess(model: FleetModel, text: string): FleetProcess {
  const found = findProcesses(model, text)
  const [first] = found
  if (first && found.length === 1) return first
  const ids = found.map(({ name }) => name).join(', ')
  throw new SdError('SD_INVALID', `${text} means ${found.length} processes: name one of ${ids}`)
}
