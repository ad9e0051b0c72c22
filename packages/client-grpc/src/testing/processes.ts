import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Runs a file of this folder in a separate process. */
export function run(file: string, ...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Starts a server that can be killed. */
export async function startServerProcess(): Promise<{ readonly port: number; kill(): Promise<unknown> }> {
  const child = run('./server-process.ts')
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return {
    port: Number(line.toString()),
    kill() {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      return exited
    },
  }
}
