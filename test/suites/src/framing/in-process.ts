import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FramingAddress } from '@sd/testing'
import { end, hasEnded, type Peer, type Running } from './peer.ts'

const program = fileURLToPath(new URL('peer-process.ts', import.meta.url))

/** The same proxy in a process of its own: some rows end the process of some proxies. */
export function inProcess({ name, front, upstream }: Peer): Peer {
  async function start({ host, port }: FramingAddress): Promise<Running> {
    const child = spawn(process.execPath, [program, name, front, host, `${port}`], { stdio: ['ignore', 'pipe', 'ignore'] })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const address = { host: '127.0.0.1', port: Number(line.toString()) }
    return { address, hasCrashed: () => hasEnded(child), close: () => end(child) }
  }
  return { name, front, upstream, start }
}
