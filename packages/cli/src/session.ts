import { type Registry, SdError, sleep } from '@sd/core'
import { authorOf, createBackends, readList } from './backends.ts'
import type { CliOptions } from './cli-options.ts'
import type { CommandContext, CommandResult, WriteContext } from './command.ts'
import { chooseContext, chooseTarget, chooseUrl, describeUrl, type TargetChoice } from './contexts/target.ts'
import { readDuration } from './duration.ts'
import { lines, styled } from './output/view.ts'
import type { Invocation } from './program.ts'

/** Shortest interval of polls of processes, in milliseconds. */
const shortestPollMs = 100

/** One run of a command: its context, and what it opens. */
export interface Session {
  /** @default 10 s */
  readonly timeoutMs: number
  /** The context, with the signal of one phase. */
  context(signal: AbortSignal): CommandContext
  /** The context of a change. */
  writeContext(signal: AbortSignal): WriteContext
  /** Closes what was opened. */
  close(): Promise<void>
}

/** Creates a session. @throws SdError `SD_INVALID` for wrong global options */
export function createSession(options: CliOptions, invocation: Invocation, isJson: boolean): Session {
  const { env, stdin, stdout, cwd, now = Date.now } = options
  const { arguments: given, options: values } = invocation
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined)
  const list = (name: string): readonly string[] => (Array.isArray(values[name]) ? values[name] : [])
  const timeoutMs = readDuration('--timeout', text('timeout') ?? '10s')
  const intervalMs = readDuration('--interval', text('interval') ?? '2s')
  const choice: TargetChoice = {
    registry: text('registry'),
    context: text('context'),
    config: text('config'),
    lock: text('lock'),
    env,
  }
  const backends = createBackends(options, choice)
  const fleetChoice = {
    processes: readList('--processes', text('processes')),
    networks: list('allowNetwork'),
    intervalMs: Math.max(shortestPollMs, intervalMs),
  }
  const isInteractive = stdin.isTTY === true && stdout.isTTY === true && !isJson

  function context(signal: AbortSignal): CommandContext {
    return {
      argument: (name) => given[name] ?? '',
      option: text,
      flag: (name) => values[name] === true,
      list,
      env,
      cwd,
      input: stdin,
      signal,
      now,
      registryOption: choice.registry,
      target: () => chooseTarget(choice),
      savedContext: () => chooseContext(choice),
      describePlace: async (kind) => describeUrl(await chooseUrl(kind, choice)),
      openSource: (url) => backends.openSource(url, signal),
      openConfig: () => backends.openConfig(signal),
      async openHistory(key) {
        const { get, diff, diffText, verify, list: listVersions } = await backends.openHistory(key, signal)
        return { get, diff, diffText, verify, list: (read) => listVersions({ ...read, sync: false }) }
      },
      openLock: () => backends.openLock(signal),
      openFleet: () => backends.openFleet(fleetChoice, signal),
      terminal: isInteractive ? { input: stdin, output: stdout } : undefined,
      repeat: (run) => repeat(run, intervalMs, signal),
    }
  }

  function writeContext(signal: AbortSignal): WriteContext {
    const reason = text('reason') ?? ''
    const author = authorOf(env)
    return {
      ...context(signal),
      reason,
      author,
      openRegistry: (): Promise<Registry> => backends.openRegistry(signal),
      openWritableConfig: () => backends.openWritableConfig(signal),
      openWritableHistory: (key) => backends.openHistory(key, signal),
      async changeProcess(processId, path, body) {
        const fleet = await backends.openFleet(fleetChoice, signal)
        return fleet.change(processId, path, { reason: `${reason} (${author})`, ...body })
      },
    }
  }

  return { timeoutMs, context, writeContext, close: backends.close }
}

async function* repeat(run: () => Promise<CommandResult>, intervalMs: number, signal: AbortSignal): AsyncIterable<CommandResult> {
  let last: CommandResult | undefined
  while (!signal.aborted) {
    try {
      last = await run()
      yield last
    } catch (error) {
      if (!last || !(error instanceof SdError && error.retryable)) throw error
      const line = styled('yellow', `This is the last answer. The next one failed: ${error.message}`)
      yield { ...last, view: [...last.view, lines(line)] }
    }
    await sleep(intervalMs, signal, true)
  }
}
