import { invalidError, SdError } from '@sd/core'
import type { DashboardFleet, DashboardServer, ServeDashboardOptions } from '@sd/dashboard'
import type { CommandContext, CommandResult, WriteContext } from '../command.ts'
import { lines, styled } from '../output/view.ts'
import { openConfigs } from './dashboard-configs.ts'
import { readOnlyError } from './read-only-error.ts'

/** A dashboard that is served. */
export interface RunningDashboard {
  readonly url: string
  /** Codes for the page, and what was changed through it, until the signal aborts. */
  events(signal: AbortSignal): AsyncIterable<CommandResult>
  close(): Promise<void>
}

/** Most events that wait to be printed; later ones are dropped. */
const maxWaiting = 1_000

/** Serves the dashboard on this machine. @param writing with it, the page can change something */
export async function runDashboard(context: CommandContext, writing: WriteContext | undefined): Promise<RunningDashboard> {
  const serveDashboard = await loadDashboard()
  const waiting: CommandResult[] = []
  let wake: () => void = () => undefined
  const tell = (result: CommandResult): void => {
    if (waiting.length < maxWaiting) waiting.push(result)
    wake()
  }
  const server = await serveDashboard({
    fleet: await openFleet(context, writing),
    write: writing !== undefined,
    port: readPort(context.option('port')),
    ...(writing && { registry: await writing.openRegistry() }),
    configs: await openConfigs(context, writing),
    onCode: (code, url) =>
      tell({
        data: { event: 'code', url, code },
        view: [lines([styled('bold', url), ` – code ${code.slice(0, 5)}-${code.slice(5)}, valid for 60 seconds`])],
      }),
    onAudit: (entry) => {
      const { action, target, by } = entry as unknown as Readonly<Record<string, unknown>>
      const parts = [action, target, by].filter((part) => typeof part === 'string')
      tell({ data: { event: 'audit', entry }, view: [lines(styled('dim', parts.join('  ')))] })
    },
  })
  return {
    url: server.url,
    async *events(signal) {
      signal.addEventListener('abort', () => wake(), { once: true })
      while (!signal.aborted) {
        for (let next = waiting.shift(); next; next = waiting.shift()) yield next
        if (!signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    close: () => server.close(),
  }
}

/** Loads the package of the dashboard. @throws SdError `SD_NOT_FOUND` with the command that installs it */
export async function loadDashboard(): Promise<(options: ServeDashboardOptions) => Promise<DashboardServer>> {
  try {
    return (await import('@sd/dashboard')).serveDashboard
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new SdError('SD_NOT_FOUND', '@sd/dashboard is not installed: npm install --global @sd/dashboard')
  }
}

async function openFleet(context: CommandContext, writing: WriteContext | undefined): Promise<DashboardFleet> {
  const fleet = await context.openFleet()
  return {
    get model() {
      return fleet.model
    },
    watch: (options) => fleet.watch(options),
    explain: (service, options) => fleet.explain(service, options),
    ask: (processId, path, query) => fleet.ask(processId, path, query),
    history: (ref) => fleet.history(ref),
    change: writing ? writing.changeProcess : () => Promise.reject(readOnlyError()),
  }
}

function readPort(text: string | undefined): number {
  const port = Number(text ?? 7070)
  if (/^\d{1,5}$/.test(text ?? '7070') && port <= 65_535) return port
  throw invalidError('--port', text, 'a port, 0 for any free one')
}
