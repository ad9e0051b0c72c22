import { SdError } from '@sd/core'
import { CommanderError } from 'commander'
import type { CliOptions } from './cli-options.ts'
import { execute } from './execute.ts'
import { EXIT, exitCodeOf } from './exit-code.ts'
import { cleanText } from './output/clean-text.ts'
import { writeError } from './output/envelope.ts'
import { writeTo } from './output/printer.ts'
import { createProgram } from './program.ts'

/**
 * Runs a command line. It writes only to the given streams, and leaves nothing open.
 *
 * @returns the exit code: 0 fine, 1 something wrong was found, 2 wrong usage, 3 a backend can't be reached, 4 denied,
 * 130 interrupted
 */
export async function runCli(options: CliOptions): Promise<number> {
  const { argv, stdout, stderr, signal } = options
  const ending = new AbortController()
  let pipeError: NodeJS.ErrnoException | undefined
  const onInterrupt = (): void => ending.abort()
  const onPipeError = (error: NodeJS.ErrnoException): void => {
    pipeError ??= error
    ending.abort()
  }
  stdout.on('error', onPipeError)
  stderr.on('error', onPipeError)
  signal?.addEventListener('abort', onInterrupt, { once: true })
  if (signal?.aborted) ending.abort()
  let exitCode: number
  try {
    exitCode = await interpret(argv, options, ending.signal)
  } finally {
    signal?.removeEventListener('abort', onInterrupt)
    stdout.off('error', onPipeError)
    stderr.off('error', onPipeError)
  }
  // The reader, such as `head`, has what it wants.
  if (pipeError) return pipeError.code === 'EPIPE' ? EXIT.fine : EXIT.problem
  return exitCode
}

async function interpret(argv: readonly string[], options: CliOptions, signal: AbortSignal): Promise<number> {
  const { stdout, stderr } = options
  const isJson = argv.includes('--json')
  let name = ''
  let exitCode: number = EXIT.fine
  let help = ''
  let complaint = ''
  const output = {
    width: stdout.isTTY ? (stdout.columns ?? 80) : 80,
    out(text: string): void {
      help += text
    },
    err(text: string): void {
      complaint += text
    },
  }
  // The help of commander for a command does not wait until the command is loaded.
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
  try {
    await createProgram(output, async (invocation) => {
      name = invocation.entry.name
      exitCode = await execute(options, invocation, signal)
    }).parseAsync([...words], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      await writeTo(stdout, help)
      if (error.exitCode === 0) return EXIT.fine
      const message = cleanText(error.message.replace(/^error: /, ''))
      await (isJson
        ? writeTo(stdout, writeError(name, { code: 'SD_INVALID', message }))
        : writeTo(stderr, cleanText(complaint.replace(/^error: /, 'sdctl: '), true)))
      return EXIT.usage
    }
    if (!(error instanceof SdError)) throw error
    // An interruption needs no words, and a closed pipe takes none.
    if (error.code === 'SD_ABORTED' && signal.aborted) return EXIT.interrupted
    await (isJson ? writeTo(stdout, writeError(name, error)) : writeTo(stderr, describeError(error, name)))
    return exitCodeOf(error.code)
  }
}

function describeError({ code, message }: SdError, name: string): string {
  const advice = code === 'SD_INVALID' ? `sdctl ${name} --help shows the options\n` : ''
  return `sdctl: ${cleanText(message)}\n${advice}`
}
