import type { Tally } from './tally.ts'

/** State of the run for the screen. */
export interface ScreenState {
  /** One line above the bars. */
  readonly title: string
  /** Time since the start, in milliseconds. */
  readonly elapsedMs: number
  /** The counts. */
  readonly tally: Tally
  /** Events of the scenario, oldest first. */
  readonly events: readonly string[]
}

/** Shows the run. */
export interface Screen {
  /** Shows the current state. */
  draw(state: ScreenState): void
}

/** Redraws in place on a terminal; elsewhere prints one line a second and every event once. */
export function createScreen(output: NodeJS.WriteStream): Screen {
  return output.isTTY ? terminalScreen(output) : lineScreen(output)
}

function terminalScreen(output: NodeJS.WriteStream): Screen {
  let drawnLines = 0
  return {
    draw(state) {
      const lines = ['', ...renderFrame(state), '', ...state.events.map((event) => `  ${event}`)]
      const up = drawnLines > 0 ? `\u001b[${drawnLines}A` : ''
      output.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}`)
      drawnLines = lines.length
    },
  }
}

function lineScreen(output: NodeJS.WriteStream): Screen {
  let shownEvents = 0
  let shownSecond = -1
  return {
    draw(state) {
      for (const event of state.events.slice(shownEvents)) output.write(`${event}\n`)
      shownEvents = state.events.length
      const second = Math.floor(state.elapsedMs / 1_000)
      if (second === shownSecond) return
      shownSecond = second
      const shares = [...state.tally.instances].map(([id, { lastSecond }]) => `${id} ${lastSecond}/s`)
      const { answered, failed } = state.tally
      output.write(`${seconds(state.elapsedMs)}  ${answered} answered, ${failed} failed  ${shares.join('  ')}\n`)
    },
  }
}

/** The title and one bar per instance. */
function renderFrame(state: ScreenState): string[] {
  const { tally } = state
  const rows = [...tally.instances]
  const widest = Math.max(1, ...rows.map(([, instance]) => instance.lastSecond))
  const idWidth = Math.max(...rows.map(([id]) => id.length), 1)
  return [
    `  ${state.title}   ${seconds(state.elapsedMs)}   ${tally.answered} answered, ${tally.failed} failed`,
    '',
    ...rows.map(([id, { lastSecond, served, status }]) => {
      const bar = '█'.repeat(Math.round((lastSecond / widest) * 30)).padEnd(30)
      return `  ${id.padEnd(idWidth)}  ${bar}  ${String(lastSecond).padStart(5)}/s  ${String(served).padStart(7)}  ${status}`
    }),
  ]
}

/** Milliseconds as seconds with one decimal. */
export function seconds(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(1)} s`
}
