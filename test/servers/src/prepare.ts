import { prepareServers } from './build.ts'
import { recipes, type ServerName } from './recipes.ts'

// `pnpm test:servers [name …]`: finds or builds the servers that tests need, and prints where they are.

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in recipes))
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(', ')}. Available: ${Object.keys(recipes).join(', ')}`)
  process.exit(2)
}
const names = (asked.length > 0 ? asked : Object.keys(recipes)) as ServerName[]
for (const [name, source] of await prepareServers(names, (line) => console.log(line))) {
  if (source instanceof Error) {
    console.error(source.message)
    process.exitCode = 1
    continue
  }
  const where = source.kind === 'binary' ? source.path : source.kind === 'address' ? 'address in the environment' : source.image
  console.log(`${name} ${source.version}: ${where}`)
}
