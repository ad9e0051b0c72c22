import { parseArgs } from 'node:util'
import { runGatewayExample } from './run.ts'

const help = `Three services, the gateway in front of them, and changes under load.

Usage: npm run start:gateway [-- --verbose]

  --verbose   shows the log of the gateway
  --help      this text

Exits with code 0 if all checks passed, otherwise with 1.
`

const { values } = parseArgs({ options: { verbose: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
if (values.help) process.stdout.write(help)
else if (!(await runGatewayExample({ isVerbose: values.verbose === true, output: process.stdout }))) process.exitCode = 1
