import { invalidError } from '@sd/core'
import type { ReadCommand } from '../command.ts'
import { commandTable } from '../command-table.ts'
import { bashCompletion, type CompletionEntry, fishCompletion, zshCompletion } from '../completion/scripts.ts'
import { source } from '../output/view.ts'
import { globalOptions, writeOptions } from '../program.ts'

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

/** `sdctl completion <shell>`: commands and options, of the same table as the help. */
export const completion: ReadCommand = {
  isLocal: true,
  arguments: [{ name: 'shell', description: 'bash, zsh or fish', choices: Object.keys(shells) }],
  async run(context) {
    const shell = context.argument('shell')
    if (!isShell(shell)) throw invalidError('shell', shell, `one of ${Object.keys(shells).join(', ')}`)
    const script = shells[shell](await readEntries(), globalOptions.map(toOption))
    return { data: { shell, script }, view: [source(script)] }
  },
}

function isShell(name: string): name is keyof typeof shells {
  return Object.hasOwn(shells, name)
}

function readEntries(): Promise<readonly CompletionEntry[]> {
  return Promise.all(
    commandTable.map(async ({ name, summary, load }) => {
      const { options = [], writes } = await load()
      const own = options.map(({ flags, description }) => toOption([flags, description]))
      return { words: name.split(' '), summary, options: [...own, ...(writes ? writeOptions.map(toOption) : [])] }
    }),
  )
}

function toOption([flags, description]: readonly [flags: string, description: string]): CompletionEntry['options'][number] {
  return { name: /--([a-z-]+)/.exec(flags)?.[1] ?? '', description, hasValue: flags.includes('<') }
}
