import { styleText } from 'node:util'
import type { ConfigReport } from '@sd/config'
import { callCount, servedShare, type Tally } from './tally.ts'

/** Shows the run line by line, in the same way on a terminal and in a log. */
export interface Screen {
  /** Starts a new part of the story. */
  heading(text: string): void
  /** Shows an action. */
  deed(text: string): void
  /** Shows a report of the configuration. */
  report(report: ConfigReport): void
  /** Shows the outcome of the calls in one beat. */
  pulse(tally: Tally, ids: readonly string[]): void
  /** Shows a line. */
  note(text: string): void
  /** Writes a text unchanged. */
  write(text: string): void
}

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
    note: (text) => line(text),
    write: (text) => void output.write(text),
    report(report) {
      if (report.kind === 'updated') {
        const { version, changed } = report
        line(style('green', `config version ${version}: ${changed.length > 5 ? `${changed.length} values` : changed.join(', ')}`))
      } else if (report.kind === 'recovered') line(style('green', `config: ${report.source} has recovered`))
      else if (report.kind === 'error') line(style('red', `config: ${report.error.message}`))
      else line(style(report.kind === 'stale' ? 'yellow' : 'red', `config: ${report.kind}: ${report.error.message}`))
    },
    pulse(tally, ids) {
      const { answered, refused, failed } = tally
      const counts = [
        `${callCount(tally)} calls`,
        `${answered} answered`,
        refused && `${refused} rejected`,
        failed && `${failed} failed`,
      ]
      const shares = ids.map(
        (id) => `${id} ${bars[Math.ceil(servedShare(tally, id) * 8)]} ${String(tally.served.get(id) ?? 0).padEnd(3)}`,
      )
      line(style('dim', `${counts.filter(Boolean).join(', ').padEnd(46)}  ${shares.join(' ')}`))
    },
  }
}
