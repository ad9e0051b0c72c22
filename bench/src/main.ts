import { parseArgs } from 'node:util'
import { gatewayParts } from './gateway/index.ts'
import { type Finding, renderTable } from './report.ts'

// Loaded on demand, so that the requirements of one suite don't affect the others.
const suites: Readonly<Record<string, () => Promise<readonly Finding[]>>> = {
  picks: async () => (await import('./picks.ts')).benchPicks(),
  breakers: async () => (await import('./breakers.ts')).benchBreakers(),
  client: async () => (await import('./client/index.ts')).benchClient(),
  resilience: async () => (await import('./resilience.ts')).benchResilience(),
  app: async () => (await import('./app/index.ts')).benchApp(),
  gateway: async () => (await import('./gateway/index.ts')).benchGateway(only),
  scale: async () => (await import('./scale.ts')).benchScale(),
  core: async () => (await import('./core-package.ts')).benchCore(),
  registries: async () => (await import('./registries/index.ts')).benchRegistries(),
  fleet: async () => (await import('./fleet/index.ts')).benchFleet(),
  config: async () => (await import('./config/index.ts')).benchConfig(),
  admin: async () => (await import('./admin.ts')).benchAdmin(),
}

const [first, ...rest] = process.argv.slice(2)
if (first === 'chaos') {
  const { benchChaos } = await import('./chaos/chaos.ts')
  process.stdout.write(`${await benchChaos(rest)}\n`)
  process.exit()
}
const { values, positionals: chosen } = parseArgs({
  options: { only: { type: 'string', multiple: true } },
  allowPositionals: true,
})
const { only } = values
const unknown = [
  ...chosen.filter((name) => !Object.hasOwn(suites, name)),
  ...(only ?? []).filter((name) => chosen[0] !== 'gateway' || !gatewayParts.includes(name)),
]
if (unknown.length > 0 || globalThis.gc === undefined) {
  process.stderr.write(`Usage: pnpm bench [${Object.keys(suites).join('|')}]…, or pnpm bench chaos [--quick]\n`)
  process.stderr.write(`Parts of gateway: pnpm bench gateway --only ${gatewayParts.join(' --only ')}\n`)
  process.exit(2)
}
const findings: Finding[] = []
for (const name of chosen.length > 0 ? chosen : Object.keys(suites)) {
  process.stderr.write(`${name} …\n`)
  findings.push(...(await (suites[name] as () => Promise<readonly Finding[]>)()))
}
process.stdout.write(`${renderTable(findings)}\n`)
