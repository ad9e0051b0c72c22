import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, probePort } from '@sd/test-servers'
import type { FramingAddress, FramingProtocol } from '@sd/testing'
import { eventually } from '@sd/testing'
import { end, hasEnded, type Peer, type Running } from './peer.ts'

/** A server in C, from PATH or from where Debian installs it. */
interface Program {
  readonly name: 'nginx' | 'haproxy'
  readonly binary: string
  config(folder: string, port: number, upstream: FramingAddress, front: FramingProtocol): string
  args(config: string): readonly string[]
}

const nginx: Program = {
  name: 'nginx',
  binary: '/usr/sbin/nginx',
  config: (folder, port, { host, port: to }, front) => `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream framing { server ${host}:${to}; keepalive 8; }
  server {
    listen 127.0.0.1:${port}${front === 'h2' ? ' http2' : ''};
    location / { proxy_pass http://framing; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
  }
}
`,
  args: (config) => ['-c', config],
}

const haproxy: Program = {
  name: 'haproxy',
  binary: '/usr/sbin/haproxy',
  config: (_folder, port, { host, port: to }, front) => `defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  http-reuse always
frontend edge
  bind 127.0.0.1:${port}${front === 'h2' ? ' proto h2' : ''}
  default_backend framing
backend framing
  server one ${host}:${to}
`,
  args: (config) => ['-f', config, '-db'],
}

async function start(program: Program, upstream: FramingAddress, front: FramingProtocol): Promise<Running | string> {
  if (spawnSync(program.binary, ['-v']).error) return `${program.binary} is not installed: apt-get install ${program.name}`
  const folder = await mkdtemp(join(tmpdir(), `framing-${program.name}-`))
  const port = await freePort()
  const config = join(folder, 'config')
  await writeFile(config, program.config(folder, port, upstream, front))
  const child = spawn(program.binary, program.args(config), { stdio: ['ignore', 'ignore', 'inherit'] })
  await eventually(() => reach(port, child), 10_000)
  return {
    address: { host: '127.0.0.1', port },
    hasCrashed: () => hasEnded(child),
    async close() {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function reach(port: number, child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) throw new Error(`the server has ended with ${child.exitCode}`)
  await probePort(port)
}

/** Servers that Debian packages. */
export const serverPeers: readonly Peer[] = [nginx, haproxy].flatMap((program) =>
  (['h1', 'h2'] as const).map(
    (front): Peer => ({ name: program.name, front, upstream: 'h1', start: (upstream) => start(program, upstream, front) }),
  ),
)
