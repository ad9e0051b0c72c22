import { ADMIN_PORT, SdError, type ServiceSnapshot } from '@sd/core'
import type { FleetModel, FleetService } from '@sd/fleet'
import type { CommandContext } from '../command.ts'
import { readTraffic } from '../fleet/read-fleet.ts'

/** Calls of services, and the model that they are from. */
export interface ServiceTraffic {
  readonly model: FleetModel
  readonly services: ReadonlyMap<string, FleetService>
}

/**
 * Reads the calls of services from processes with an admin endpoint.
 *
 * @returns `undefined` if no instance has one, or none answers: then nothing has to wait for them
 */
export async function readServiceTraffic(
  snapshots: readonly ServiceSnapshot[],
  context: CommandContext,
): Promise<ServiceTraffic | undefined> {
  const hasEndpoint = snapshots.some(({ instances }) => instances.some(({ ports }) => ports?.[ADMIN_PORT] !== undefined))
  if (!hasEndpoint && context.option('processes') === undefined) return undefined
  try {
    const model = await readTraffic(await context.openFleet(), context)
    if (!model.processes.some(({ state }) => state === 'answers')) return undefined
    return { model, services: new Map(model.services.map((service) => [service.service, service])) }
  } catch (error) {
    // The list of services is known without it. Wrong options are not.
    if (!(error instanceof SdError) || error.code === 'SD_INVALID' || context.signal.aborted) throw error
    return undefined
  }
}
