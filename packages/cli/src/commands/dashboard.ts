import { configOptions } from '../backend-options.ts'
import type { CommandContext, CommandResult, MixedCommand } from '../command.ts'
import { loadDashboard, type RunningDashboard, runDashboard } from '../dashboard/run-dashboard.ts'
import { fleetOptions } from '../fleet/fleet-options.ts'
import { lines, styled } from '../output/view.ts'

/** `sdctl dashboard`: the fleet as a page, for as long as the command runs. */
export const dashboard: MixedCommand = {
  writes: true,
  options: [
    ...fleetOptions,
    ...configOptions,
    { flags: '--port <number>', description: 'port on this machine, 0 for any free one; 7070 otherwise' },
    { flags: '--history <key>', description: 'an entry of the configuration whose versions are shown', isRepeatable: true },
    { flags: '--write', description: 'with buttons that change something (write)' },
  ],
  reading: (context) => (context.flag('write') ? undefined : { follow }),
  async plan(context) {
    await loadDashboard()
    const { label } = await context.target()
    let running: RunningDashboard | undefined
    return {
      view: [
        lines(styled('bold', `Serves a page that can change processes and configuration of ${label}, until the command ends.`)),
      ],
      async apply(writing) {
        running = await runDashboard(writing, writing)
        return describe(running, true)
      },
      async *follow({ signal }) {
        if (running) yield* showEvents(running, signal)
      },
    }
  },
}

async function* follow(context: CommandContext): AsyncIterable<CommandResult> {
  const running = await runDashboard(context, undefined)
  yield describe(running, false)
  yield* showEvents(running, context.signal)
}

async function* showEvents(running: RunningDashboard, signal: AbortSignal): AsyncIterable<CommandResult> {
  try {
    yield* running.events(signal)
  } finally {
    await running.close()
  }
}

function describe({ url }: RunningDashboard, canChange: boolean): CommandResult {
  const what = canChange ? 'it can change something' : 'read-only'
  return { data: { event: 'started', url, canChange }, view: [lines(`The dashboard runs, ${what}. Ctrl-C ends it.`)] }
}
