import type { EventLog } from '../event-log.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { type ObserveServer, serveObserve } from './observe-server.ts'
import type { Running } from './running.ts'

/** Runs a gateway in this process alone. @param signals signals that drain it and end the process */
export async function startAlone(
  file: string,
  log: EventLog,
  writeAccess: (lines: string) => void,
  signals: readonly NodeJS.Signals[],
): Promise<Running> {
  const gateway = await startGatewayProcess({ file, log, writeAccess, labels: {}, signals })
  let server: ObserveServer
  try {
    server = await serveObserve(gateway.document.current.observe.address, gateway.observe)
  } catch (error) {
    await gateway.close()
    throw error
  }
  return {
    addresses: gateway.addresses,
    observe: server.url,
    reload: () => void gateway.reload(),
    async close() {
      const { errors } = await gateway.close()
      await server.close()
      return errors.length === 0
    },
  }
}
