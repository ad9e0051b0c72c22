import { SdError } from '@sd/core'
import { readOptions } from './options.ts'
import { runQuickstart } from './run.ts'

/** Time between two faults of the demonstration, in milliseconds: enough to look at each. */
const stepMs = 15_000

try {
  const options = readOptions(process.argv.slice(2))
  if (typeof options === 'string') {
    process.stdout.write(options)
  } else if (options.dashboard) {
    await showDashboard(options.port)
  } else {
    const tally = await runQuickstart(options, process.stdout)
    if (tally.answered === 0 || tally.failed > 0) process.exitCode = 1
  }
} catch (error) {
  // Invalid options, ports in use and an unreachable registry are reported in one line; any other error is a bug and shows its stack.
  const { code, message } = error as NodeJS.ErrnoException
  if (!(error instanceof SdError) && code !== 'EADDRINUSE') throw error
  process.stderr.write(`${message}\n`)
  process.exit(code === 'SD_INVALID' || code === 'EADDRINUSE' ? 2 : 1)
}

async function showDashboard(port: number): Promise<void> {
  const { runConsoleDemo } = await import('./console/demo.ts')
  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())
  await runConsoleDemo({ port, stepMs, signal: end.signal, write: (text) => void process.stdout.write(text) })
}
