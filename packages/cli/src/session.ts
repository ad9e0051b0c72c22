import { abortError, type ReadOnlyRegistry, type Registry, SdError, sleep } from '@sd/core'
import type { CliOptions } from './cli-options.ts'
import type { CommandContext, CommandResult, WriteContext } from './command.ts'
import { chooseContext, chooseTarget, type TargetChoice } from './contexts/target.ts'
import { readDuration } from './duration.ts'
import { lines, styled } from './output/view.ts'
import type { Invocation } from './program.ts'

/** One run of a command: its context, and the registries that it opens. */
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
  const { env, stdin, stdout, cwd, registryTypes = {}, now = Date.now } = options
  const { arguments: given, options: values } = invocation
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined)
  const timeoutMs = readDuration('--timeout', text('timeout') ?? '10s')
  const intervalMs = readDuration('--interval', text('interval') ?? '2s')
  const choice: TargetChoice = { registry: text('registry'), context: text('context'), env }
  const opened = new Set<ReadOnlyRegistry>()
  /** A look of a watch uses the source of the one before. */
  const sources = new Map<string, Promise<ReadOnlyRegistry>>()
  const isInteractive = stdin.isTTY === true && stdout.isTTY === true && !isJson

  async function open<Kind extends ReadOnlyRegistry>(make: () => Promise<Kind>, signal: AbortSignal): Promise<Kind> {
    const source = await make()
    // Its command has ended while the adapter was loaded.
    if (signal.aborted) {
      await source.close()
      throw abortError(signal, 'Opening the registry')
    }
    opened.add(source)
    return source
  }

  function context(signal: AbortSignal): CommandContext {
    return {
      argument: (name) => given[name] ?? '',
      option: text,
      flag: (name) => values[name] === true,
      list: (name) => (Array.isArray(values[name]) ? values[name] : []),
      env,
      cwd,
      signal,
      now,
      registryOption: choice.registry,
      target: () => chooseTarget(choice),
      savedContext: () => chooseContext(choice),
      async openSource(url) {
        const registry = url ?? (await chooseTarget(choice)).registry
        const { createDiscoverySource } = await import('@sd/registry')
        const source = sources.get(registry) ?? open(() => createDiscoverySource(registry, { types: registryTypes }), signal)
        sources.set(registry, source)
        return source
      },
      terminal: isInteractive ? { input: stdin, output: stdout } : undefined,
      repeat: (run) => repeat(run, intervalMs, signal),
    }
  }

  return {
    timeoutMs,
    context,
    writeContext: (signal) => ({
      ...context(signal),
      reason: text('reason') ?? '',
      async openRegistry(): Promise<Registry> {
        const { registry } = await chooseTarget(choice)
        const { createRegistry } = await import('@sd/registry')
        return open(() => createRegistry(registry, { types: registryTypes }), signal)
      },
    }),
    async close() {
      await Promise.allSettled([...opened].map((source) => source.close()))
    },
  }
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
