import { SdError } from '@sd/core'
import { readOptions } from './options.ts'
import { runQuickstart } from './run.ts'

try {
  const options = readOptions(process.argv.slice(2))
  if (typeof options === 'string') {
    process.stdout.write(options)
  } else {
    const tally = await runQuickstart(options, process.stdout)
    if (tally.answered === 0 || tally.failed > 0) process.exitCode = 1
  }
} catch (error) {
  // Bad options, and ports that are taken, are told in one line; anything else is a bug and shows its stack.
  if (!SdError.isInstance(error) && (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(2)
}
