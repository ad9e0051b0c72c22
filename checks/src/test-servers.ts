import { prepareServers, recipes, type ServerName } from '@sd/test-servers'
import type { GateResult } from './gate.ts'

/** Servers needed by the tests of this repository. */
const wanted = Object.keys(recipes) as ServerName[]

/** Found servers, for the later tests. */
export const foundServers: Map<string, string> = new Map()

/** Missing servers, if that is not a failure. */
export const missingServers: Set<string> = new Set()

/** Finds or builds the servers for the tests. A missing one is a failure with CI=true, otherwise a note. */
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
    'A full run needs them: install Go, Rust, Maven and a JDK, or a container engine, or set their addresses, see CONTRIBUTING, "Test servers".'
  const notes = missing.map((message) => `NOT RUN: ${message}`)
  return { passed, problems: [], notes: notes.length > 0 ? [...notes, needs] : [] }
}
