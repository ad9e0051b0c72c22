import { styleText } from 'node:util'
import type { CircuitState } from '@sd/core'
import { callCount, type Tally } from './tally.ts'

/** Shows the run line by line, in the same way on a terminal and in a log. */
export interface Screen {
  /** Starts a new part of the story. */
  heading(text: string): void
  /** Shows an action. */
  deed(text: string): void
  /** Shows an event of a policy, in the colour of the state. */
  event(text: string, state: CircuitState): void
  /** Shows the calls since the last pulse, by instance. */
  pulse(tally: Tally, ids: readonly string[]): void
  /** Writes a text unchanged. */
  write(text: string): void
}

const colours = { open: 'red', isolated: 'red', 'half-open': 'yellow', closed: 'green' } as const
const bars = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/** Creates a screen whose clock starts now. Only terminals get colours. */
export function createScreen(output: NodeJS.WriteStream): Screen {
  const startedAt = performance.now()
  const style = (format: Parameters<typeof styleText>[0], text: string): string => styleText(format, text, { stream: output })

  function line(text: string): void {
    output.write(`${((performance.now() - startedAt) / 1_000).toFixed(2).padStart(6)} s  ${text}\n`)
  }

  return {
    heading: (text) => void output.write(`\n${style('bold', text)}\n`),
    deed: (text) => line(style('bold', text)),
    event: (text, state) => line(style(colours[state], text)),
    write: (text) => void output.write(text),
    pulse(tally, ids) {
      const { answered, fallback, failed } = tally.calls
      const most = Math.max(1, ...tally.attempts.values())
      const shares = ids.map((id) => {
        const attempts = tally.attempts.get(id) ?? 0
        return `${id} ${bars[Math.ceil((attempts / most) * 8)]} ${String(attempts).padEnd(3)}`
      })
      const counts = [
        `${String(callCount(tally)).padStart(4)} calls`,
        `${answered} answered`,
        fallback && `${fallback} by fallback`,
        failed && `${failed} failed`,
      ]
      line(style('dim', `${counts.filter(Boolean).join(', ').padEnd(42)}  ${shares.join(' ')}`))
    },
  }
}
