import { FAULT_TIMEOUT_MS, type FaultTarget } from '@sd/test-faults'
import { obtainServer, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type Backend, backends, type RunningBackend } from './backends.ts'

/** Context of a case of these tests. */
export interface Stage {
  readonly backend: Backend
  readonly running: RunningBackend
  readonly target: FaultTarget
}

/** Cases by name. */
export type StageCases = Readonly<Record<string, (stage: Stage) => Promise<void>>>

/** Runs the cases of each backend whose servers are on this machine. Call it at the top level of a test file. */
export async function forEachBackend(casesOf: (backend: Backend) => StageCases): Promise<void> {
  const toxiproxy = await obtainServer('toxiproxy')
  for (const backend of backends) {
    const sources = await Promise.all(backend.needs.map((name) => obtainServer(name, { own: true })))
    const found = sources.filter((source) => source !== undefined)
    describe.runIf(toxiproxy && found.length === sources.length)(backend.name, () => {
      let running: RunningBackend
      let proxy: Toxiproxy
      beforeAll(async () => {
        if (toxiproxy) [running, proxy] = await Promise.all([backend.start(...found), startToxiproxy(toxiproxy)])
      }, 180_000)
      afterAll(() => Promise.all([running.server.close(), proxy.close()]))
      for (const [name, run] of Object.entries(casesOf(backend))) {
        test(name, { timeout: FAULT_TIMEOUT_MS }, () => {
          const { server } = running
          return run({ backend, running, target: { server, port: server.port, toxiproxy: proxy } })
        })
      }
    })
  }
}
