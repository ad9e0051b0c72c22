import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { runCli } from '@sd/cli'
import type { ShopFleet } from './shop-fleet.ts'

/** What a command printed. */
export interface CommandRun {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A fresh terminal with one context, whose commands are counted. */
export interface Terminal extends AsyncDisposable {
  /** Commands so far. */
  readonly commands: readonly string[]
  /** Runs `sdctl` with the words of a line; a part in quotes is one word. */
  sdctl(line: string): Promise<CommandRun>
  /** Runs a command that does not end by itself, and interrupts it once it has printed something. */
  look(line: string): Promise<CommandRun>
}

/** Opens a terminal. Each command is a run of its own: nothing is kept between two of them. */
export async function openTerminal({ urls }: ShopFleet, options: { readonly write: boolean }): Promise<Terminal> {
  const home = await mkdtemp(join(tmpdir(), 'sd-terminal-'))
  await mkdir(join(home, 'sdctl'))
  const context = { name: 'shop', ...urls, write: options.write }
  await writeFile(join(home, 'sdctl', 'config.yaml'), JSON.stringify({ current: 'shop', contexts: [context] }))
  const commands: string[] = []
  const env = { XDG_CONFIG_HOME: home, USER: 'carol' }

  async function run(line: string, ending?: AbortController): Promise<CommandRun> {
    commands.push(line)
    const argv = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word = '']) => quoted ?? word)
    const stdout = collect(() => ending?.abort())
    const stderr = collect()
    const stdin = new PassThrough().end()
    const signal = ending && { signal: ending.signal }
    const code = await runCli({ argv, env, cwd: home, stdin, stdout: stdout.stream, stderr: stderr.stream, ...signal })
    return { code, out: stdout.text(), err: stderr.text() }
  }

  return {
    commands,
    sdctl: (line) => run(line),
    look: (line) => run(line, new AbortController()),
    [Symbol.asyncDispose]: () => rm(home, { recursive: true }),
  }
}

function collect(onWrite: () => void = () => undefined): { readonly stream: Writable; text(): string } {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
      onWrite()
    },
  })
  return { stream, text: () => text }
}
