import { prepareServers, recipes, type ServerName } from '@sd/test-servers'
import type { GateResult } from './gate.ts'

/** Servers that the tests of this repository use. */
const wanted = Object.keys(recipes) as ServerName[]

/** Which servers were found, for the tests that come after. */
export const foundServers: Map<string, string> = new Map()

/** Which were not, where that is no failure. */
export const missingServers: Set<string> = new Set()

/** Finds or builds the servers that tests use. One that can't be had is a failure with CI=true, else a note. */
export async function checkServers(): Promise<GateResult> {
  const missing: string[] = []
  for (const [name, source] of await prepareServers(wanted, (line) => void process.stdout.write(`  ${line}\n`))) {
    if (!(source instanceof Error)) {
      foundServers.set(name, source.version)
      continue
    }
    missing.push(source.message)
    if (process.env['CI'] !== 'true') missingServers.add(name)
  }
  const passed = foundServers.size
  if (process.env['CI'] === 'true') return { passed, problems: missing }
  const needs =
    'A full run needs them: by Go, Rust, Maven and a JDK, a container engine, or their addresses, see CONTRIBUTING, "Test servers".'
  const notes = missing.map((message) => `NOT RUN: ${message}`)
  return { passed, problems: [], notes: notes.length > 0 ? [...notes, needs] : [] }
}
