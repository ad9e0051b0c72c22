import { type Finding, renderTable } from './report.ts'

// Loaded on demand, so that the requirements of one suite don't affect the others.
const suites: Readonly<Record<string, () => Promise<readonly Finding[]>>> = {
  picks: async () => (await import('./picks.ts')).benchPicks(),
  breakers: async () => (await import('./breakers.ts')).benchBreakers(),
  client: async () => (await import('./client/index.ts')).benchClient(),
  resilience: async () => (await import('./resilience.ts')).benchResilience(),
  scale: async () => (await import('./scale.ts')).benchScale(),
  core: async () => (await import('./core-package.ts')).benchCore(),
  registries: async () => (await import('./registries/index.ts')).benchRegistries(),
  config: async () => (await import('./config/index.ts')).benchConfig(),
}

const chosen = process.argv.slice(2)
if (chosen[0] === 'chaos') {
  const { benchChaos } = await import('./chaos/chaos.ts')
  process.stdout.write(`${await benchChaos(chosen.slice(1))}\n`)
  process.exit()
}
const unknown = chosen.filter((name) => !Object.hasOwn(suites, name))
if (unknown.length > 0 || globalThis.gc === undefined) {
  process.stderr.write(`Usage: pnpm bench [${Object.keys(suites).join('|')}]…, or pnpm bench chaos [--quick]\n`)
  process.exit(2)
}
const findings: Finding[] = []
for (const name of chosen.length > 0 ? chosen : Object.keys(suites)) {
  process.stderr.write(`${name} …\n`)
  findings.push(...(await (suites[name] as () => Promise<readonly Finding[]>)()))
}
process.stdout.write(`${renderTable(findings)}\n`)
