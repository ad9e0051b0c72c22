import { benchBreakers } from './breakers.ts'
import { benchClient } from './client.ts'
import { benchCore } from './core-package.ts'
import { benchPicks } from './picks.ts'
import { benchRegistries } from './registries/index.ts'
import { type Finding, renderTable } from './report.ts'
import { benchResilience } from './resilience.ts'
import { benchScale } from './scale.ts'

const suites: Readonly<Record<string, () => Promise<readonly Finding[]>>> = {
  picks: benchPicks,
  breakers: benchBreakers,
  client: benchClient,
  resilience: benchResilience,
  scale: benchScale,
  core: benchCore,
  registries: benchRegistries,
}

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !Object.hasOwn(suites, name))
if (unknown.length > 0 || globalThis.gc === undefined) {
  process.stderr.write(`Usage: pnpm bench [${Object.keys(suites).join('|')}]…\n`)
  process.exit(2)
}
const findings: Finding[] = []
for (const name of chosen.length > 0 ? chosen : Object.keys(suites)) {
  process.stderr.write(`${name} …\n`)
  findings.push(...(await (suites[name] as () => Promise<readonly Finding[]>)()))
}
process.stdout.write(`${renderTable(findings)}\n`)
