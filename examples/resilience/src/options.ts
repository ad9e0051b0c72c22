import { parseArgs } from 'node:util'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type CircuitBreaker, type CircuitBreakerOptions, invalidError } from '@sd/core'

/** What the run does; every field is a command line option of the same name. */
export interface ResilienceOptions {
  /** Name of the breaker. */
  readonly breaker: BreakerName
  /** How long it takes in all, in seconds, give or take what it waits for. */
  readonly seconds: number
}

/** A breaker that `--breaker` takes. */
export type BreakerName = 'opossum' | 'cockatiel'

/** The functions that make breakers. */
export const breakers: Readonly<Record<BreakerName, (options: CircuitBreakerOptions) => CircuitBreaker>> = {
  opossum: createOpossumBreaker,
  cockatiel: createCockatielBreaker,
}

const help = `Instances fail, slow down and recover under load, while breakers, retries, hedges and ejections keep the callers going.

Usage: pnpm --filter @sd/example-resilience start [options]

  --breaker <name>  ${Object.keys(breakers).join(' or ')}                  (default opossum)
  --seconds <n>     how long it takes, about, 15 to 600   (default 40)
  --help            this text

Ends with code 0 if all that it promises was seen, with 1 if not.
`

/** Reads the command line. @returns the options, or the help text if that was asked for @throws SdError `SD_INVALID` that names the option */
export function readOptions(args: readonly string[]): ResilienceOptions | string {
  const values = parse(args)
  if (values.help) return help
  const { breaker = 'opossum', seconds = '40' } = values
  if (!Object.hasOwn(breakers, breaker)) throw invalidError('--breaker', breaker, `one of ${Object.keys(breakers).join(', ')}`)
  const number = Number(seconds)
  if (seconds.trim() === '' || !(number >= 15 && number <= 600))
    throw invalidError('--seconds', seconds, 'a number from 15 to 600')
  return { breaker: breaker as BreakerName, seconds: number }
}

function parse(args: readonly string[]): { breaker?: string; seconds?: string; help?: boolean } {
  const value = { type: 'string' } as const
  try {
    const help = { type: 'boolean', short: 'h' } as const
    return parseArgs({ args: [...args], options: { breaker: value, seconds: value, help } }).values
  } catch (error) {
    throw invalidError('command line', args.join(' '), `options as in --help (${(error as Error).message})`)
  }
}
