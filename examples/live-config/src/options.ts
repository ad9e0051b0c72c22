import { parseArgs } from 'node:util'
import { invalidError } from '@sd/core'

/** Settings of the run; every field is a command line option of the same name. */
export interface LiveConfigOptions {
  /** Approximate duration, in seconds. */
  readonly seconds: number
}

const help = `Configuration from a file, the environment and a config center drives a client while it runs.

Usage: pnpm --filter @sd/example-live-config start [options]

  --seconds <n>   approximate duration, 10 to 600       (default 30)
  --help          this text

Variables that start with SHOP_ are configuration: SHOP_CLIENT__TIMEOUT_MS is client.timeoutMs.
Exits with code 0 if all promises were seen, otherwise with 1.
`

/** Parses the command line. @returns the options, or the help text for `--help` @throws SdError `SD_INVALID` naming the option */
export function readOptions(args: readonly string[]): LiveConfigOptions | string {
  const values = parse(args)
  if (values.help) return help
  const { seconds = '30' } = values
  const number = Number(seconds)
  if (seconds.trim() === '' || !(number >= 10 && number <= 600))
    throw invalidError('--seconds', seconds, 'a number from 10 to 600')
  return { seconds: number }
}

function parse(args: readonly string[]): { seconds?: string; help?: boolean } {
  try {
    return parseArgs({
      args: [...args],
      options: { seconds: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    }).values
  } catch (error) {
    throw invalidError('command line', args.join(' '), `options as in --help (${(error as Error).message})`)
  }
}
