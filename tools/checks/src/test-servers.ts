import { prepareServer, recipes, type ServerName } from '@sd/test-servers'
import type { GateResult } from './gate.ts'

/** Servers that the tests of this repository use. */
const wanted = Object.keys(recipes) as ServerName[]

/** Which servers were found, for the tests that come after. */
export const foundServers: Map<string, string> = new Map()

/** Finds or builds the servers that tests use. One that can't be had is a failure with CI=true, else a note. */
export async function checkServers(): Promise<GateResult> {
  const missing: string[] = []
  for (const name of wanted) {
    try {
      const { version } = await prepareServer(name, (line) => void process.stdout.write(`\n  ${line}`))
      foundServers.set(name, version)
    } catch (error) {
      missing.push((error as Error).message)
    }
  }
  const passed = foundServers.size
  if (process.env['CI'] === 'true') return { passed, problems: missing }
  return { passed, problems: [], notes: missing.map((message) => `NOT RUN: ${message}`) }
}
