import { parseArgs } from 'node:util'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type CircuitBreaker, type CircuitBreakerOptions, invalidError } from '@sd/core'

/** Settings of the run; every field is a command line option of the same name. */
export interface ResilienceOptions {
  /** Name of the breaker. */
  readonly breaker: BreakerName
  /** Approximate duration, in seconds. */
  readonly seconds: number
}

/** Values of `--breaker`. */
export type BreakerName = 'opossum' | 'cockatiel'

/** Functions that create breakers. */
export const breakers: Readonly<Record<BreakerName, (options: CircuitBreakerOptions) => CircuitBreaker>> = {
  opossum: createOpossumBreaker,
  cockatiel: createCockatielBreaker,
}

const help = `Instances fail, slow down and recover under load, while breakers, retries, hedges and ejections protect the callers.

Usage: pnpm --filter @sd/example-resilience start [options]

  --breaker <name>  ${Object.keys(breakers).join(' or ')}                  (default opossum)
  --seconds <n>     approximate duration, 15 to 600       (default 40)
  --help            this text

Exits with code 0 if all promises were seen, otherwise with 1.
`

/** Parses the command line. @returns the options, or the help text for `--help` @throws SdError `SD_INVALID` naming the option */
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
