import { SdError } from '@sd/core'
import { readOptions } from './options.ts'
import { runResilience } from './run.ts'

try {
  const options = readOptions(process.argv.slice(2))
  if (typeof options === 'string') process.stdout.write(options)
  else if (!(await runResilience(options, process.stdout))) process.exitCode = 1
} catch (error) {
  // Invalid options are reported in one line; any other error is a bug and shows its stack.
  if (!(error instanceof SdError) || error.code !== 'SD_INVALID') throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
