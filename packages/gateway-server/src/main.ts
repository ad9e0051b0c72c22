import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { SdError } from '@sd/core'
import { isGatewayDocumentError } from '@sd/gateway-document'
import { type Command, help, readCommand } from './command-line.ts'

/** Where a command writes. */
export interface Output {
  /** Writes to the standard output. */
  out(text: string): void
  /** Writes to the standard error output. */
  err(text: string): void
}

/** Runs a command. @returns the exit code; `run` resolves once the gateway serves, or has failed to */
export async function main(args: readonly string[], output: Output): Promise<number> {
  try {
    const command = readCommand(args)
    if (command.kind === 'help') output.out(help)
    else if (command.kind === 'version') output.out(`${readVersion()}\n`)
    else return await runCommand(command, output)
    return 0
  } catch (error) {
    if (!(error instanceof SdError)) throw error
    const isUsage = error.code === 'SD_INVALID' && !isGatewayDocumentError(error)
    output.err(`${error.message}\n${isUsage && cluster.isPrimary ? 'sd-gateway --help shows the commands\n' : ''}`)
    return isUsage ? 2 : 1
  }
}

/** Loads only what the command needs: a check should be quick. */
async function runCommand(command: Exclude<Command, { kind: 'help' | 'version' }>, output: Output): Promise<number> {
  if (command.kind === 'check') return (await import('./commands/check.ts')).check(command, output)
  if (command.kind === 'explain') return (await import('./commands/explain.ts')).explain(command, output)
  return (await import('./commands/run.ts')).run(command, output)
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
