import { clients } from './clients.ts'
import { floods } from './floods.ts'
import { grpc } from './grpc.ts'
import { grpcWeb } from './grpc-web.ts'
import { h2spec } from './h2spec.ts'
import { membership } from './membership.ts'
import { protocols } from './protocols.ts'
import { reloads } from './reloads.ts'
import { dig, iperf, socat } from './stream-clients.ts'
import { hasProgram } from './suite.ts'
import { autobahn, idleWebSockets } from './websockets.ts'

/** Runs the suites of these names, or all of them: `node src/main.ts [suite…]`. */
const names = process.argv.slice(2)
const suites = [
  clients,
  h2spec,
  grpc,
  grpcWeb,
  socat,
  iperf,
  dig,
  floods,
  autobahn,
  idleWebSockets,
  reloads,
  protocols,
  membership,
]
const unknown = names.find((name) => !suites.some((suite) => suite.name === name))
if (unknown !== undefined) {
  console.error(`unknown suite ${unknown}, want one of ${suites.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
let failed = 0
for (const suite of suites) {
  if (names.length > 0 && !names.includes(suite.name)) continue
  const missing = suite.needs.filter((program) => !hasProgram(program))
  if (missing.length > 0) {
    console.log(`${suite.name}: skipped, not on PATH: ${missing.join(', ')}`)
    continue
  }
  console.log(`${suite.name}:`)
  const problems = await suite.run()
  for (const problem of problems) console.log(`  ${problem}`)
  console.log(`${suite.name}: ${problems.length === 0 ? 'passed' : `${problems.length} problems`}`)
  failed += problems.length
}
process.exitCode = failed === 0 ? 0 : 1
