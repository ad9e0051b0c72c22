import { parseArgs } from 'node:util'
import { invalidError } from '@sd/core'

/** What the run does; every field is a command line option of the same name. */
export interface LiveConfigOptions {
  /** How long it takes in all, in seconds, give or take what it waits for. */
  readonly seconds: number
}

const help = `Configuration from a file, the environment and a config center drives a client while it runs.

Usage: pnpm --filter @sd/example-live-config start [options]

  --seconds <n>   how long it takes, about, 10 to 600   (default 30)
  --help          this text

Variables that begin with SHOP_ are configuration: SHOP_CLIENT__TIMEOUT_MS is client.timeoutMs.
Ends with code 0 if all that it promises was seen, with 1 if not.
`

/** Reads the command line. @returns the options, or the help text if that was asked for @throws SdError `SD_INVALID` that names the option */
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
