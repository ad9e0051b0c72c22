import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { runProgram, type Suite } from './suite.ts'

const program = fileURLToPath(new URL('websocket-process.ts', import.meta.url))

/** Memory that a process reports. */
interface Report {
  readonly port: number
  readonly rss: number
  readonly open: number
}

/** Starts a service, or a gateway before it, with as many open files as the system allows. */
async function start(servicePort: number): Promise<{ child: ChildProcess; report: Report }> {
  const script = 'ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"'
  const args = ['-c', script, process.execPath, '--expose-gc', program, String(servicePort)]
  const child = spawn('sh', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [report] = (await once(child, 'message')) as [Report]
  return { child, report }
}

async function ask(child: ChildProcess): Promise<Report> {
  const answer = once(child, 'message')
  child.send('report')
  return ((await answer) as [Report])[0]
}

/** How a server behaved, by case. */
type Cases = Readonly<Record<string, { readonly behavior: string; readonly behaviorClose: string }>>

/**
 * Those that run by default. The gateway passes compressed frames (12 and 13) on as they are; all sizes and settings of them
 * take half an hour: `SD_AUTOBAHN_CASES='12.*,13.*'`.
 */
const autobahnCases = ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '10.*', '12.1.1', '12.1.2', '12.1.10', '12.2.3', '13.1.3']

/**
 * The test suite of Autobahn, directly and through the gateway: every case must end at least as well as directly. `wstest` is
 * in `autobahntestsuite` of PyPI, for Python 2.7.
 */
export const autobahn: Suite = {
  name: 'autobahn',
  needs: ['wstest'],
  async run() {
    const service = await start(0)
    const gateway = await start(service.report.port)
    const folder = await mkdtemp(join(tmpdir(), 'autobahn-'))
    try {
      const servers = [
        { agent: 'direct', url: `ws://127.0.0.1:${service.report.port}` },
        { agent: 'gateway', url: `ws://127.0.0.1:${gateway.report.port}` },
      ]
      const cases = process.env['SD_AUTOBAHN_CASES']?.split(',') ?? autobahnCases
      const spec = join(folder, 'fuzzingclient.json')
      await writeFile(spec, JSON.stringify({ outdir: folder, servers, cases, 'exclude-cases': [], 'exclude-agent-cases': {} }))
      const { output } = await runProgram('wstest', ['-m', 'fuzzingclient', '-s', spec])
      const index = await readFile(join(folder, 'index.json'), 'utf8').catch(() => undefined)
      if (index === undefined) return [`wstest made no report: ${output.slice(-500)}`]
      const { direct = {}, gateway: proxied = {} } = JSON.parse(index) as Record<string, Cases>
      console.log(`  direct: ${summary(direct)}; gateway: ${summary(proxied)}`)
      return Object.entries(direct).flatMap(([name, expected]) => compare(name, expected, proxied[name]))
    } finally {
      gateway.child.disconnect()
      service.child.disconnect()
      await rm(folder, { recursive: true })
    }
  },
}

const ranks = ['OK', 'INFORMATIONAL', 'UNIMPLEMENTED', 'NON-STRICT', 'WRONG CODE', 'UNCLEAN', 'FAILED']

function compare(name: string, expected: Cases[string], found: Cases[string] | undefined): readonly string[] {
  if (!found) return [`${name}: no result`]
  return (['behavior', 'behaviorClose'] as const)
    .filter((key) => ranks.indexOf(found[key]) > ranks.indexOf(expected[key]))
    .map((key) => `${name}: ${key} ${found[key]}, directly ${expected[key]}`)
}

function summary(cases: Cases): string {
  const counts = new Map<string, number>()
  for (const { behavior } of Object.values(cases)) counts.set(behavior, (counts.get(behavior) ?? 0) + 1)
  return [...counts].map(([behavior, count]) => `${count} ${behavior}`).join(', ')
}

/** 10,000, or as many as the open files of a process allow: the gateway has two sockets for each. */
function countIdleSockets(): number {
  const limit = Number(spawnSync('sh', ['-c', 'ulimit -H -n'], { encoding: 'utf8' }).stdout)
  return Number.isNaN(limit) ? 10_000 : Math.min(10_000, Math.floor(limit / 2) - 250)
}

/** Most memory of the gateway per idle WebSocket, in bytes: two sockets of the system with their streams. */
const mostBytes = 40_000

/** 10,000 WebSockets that only respond to PINGs: all stay open, and the gateway's memory per socket is bounded. */
export const idleWebSockets: Suite = {
  name: 'idle-websockets',
  needs: ['sh'],
  async run() {
    const service = await start(0)
    const gateway = await start(service.report.port)
    const sockets: WebSocket[] = []
    const idleSockets = countIdleSockets()
    try {
      let closed = 0
      const open = async (): Promise<void> => {
        if (sockets.length >= idleSockets) return
        const socket = new WebSocket(`ws://127.0.0.1:${gateway.report.port}`, { perMessageDeflate: false })
        socket.on('error', () => {})
        socket.on('close', () => closed++)
        sockets.push(socket)
        await once(socket, 'open')
      }
      // What one socket loads, and compiles, is not part of the others.
      for (let at = 0; at < 100; at++) await open()
      const before = await ask(gateway.child)
      while (sockets.length < idleSockets) await Promise.all(Array.from({ length: 50 }, open))
      await new Promise((resolve) => setTimeout(resolve, 30_000))
      const after = await ask(gateway.child)
      const bytes = Math.round((after.rss - before.rss) / (idleSockets - 100))
      console.log(`  ${after.open} open after 30 s with PINGs, ${closed} closed, ${bytes} bytes of memory each`)
      const problems = after.open === idleSockets && closed === 0 ? [] : [`${after.open} of ${idleSockets} are open`]
      return bytes <= mostBytes ? problems : [...problems, `${bytes} bytes per socket, want at most ${mostBytes}`]
    } finally {
      for (const socket of sockets) socket.terminate()
      gateway.child.disconnect()
      service.child.disconnect()
    }
  },
}
