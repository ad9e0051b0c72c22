import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createTcp } from '@sd/gateway-tcp'
import { createUdp } from '@sd/gateway-udp'
import { createStaticRegistry } from '@sd/registry-static'
import { freePort, obtainServer, startDns } from '@sd/test-servers'
import { runProgram, type Suite } from './suite.ts'

/** A gateway in front of what listens on a port. */
interface StreamEdge {
  /** Of TCP and UDP. */
  readonly port: number
  close(): Promise<void>
}

async function startStreamEdge(servicePort: number): Promise<StreamEdge> {
  const source = createStaticRegistry({ instances: [{ service: 'all', address: '127.0.0.1', port: servicePort }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const port = await freePort()
  const gateway = await createGateway({
    client,
    discovery,
    protocols: [createTcp(), createUdp()],
    closeTimeoutMs: 1_000,
    table: {
      listeners: ['tcp', 'udp'].map((protocol) => ({ name: protocol, address: `127.0.0.1:${port}`, protocols: [protocol] })),
      routes: ['tcp', 'udp'].map((protocol) => ({ name: protocol, match: { protocol }, forward: { service: 'all' } })),
    },
  })
  return {
    port,
    async close() {
      await gateway.close()
      await client.close()
      await discovery.close()
    },
  }
}

/** Runs a program with a text as its input. */
async function runWith(input: string, name: string, args: readonly string[]): Promise<string> {
  const child = spawn(name, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  child.stdin.end(input)
  await once(child, 'close')
  return output
}

/** socat: a half-close over TCP, a large text, and datagrams. */
export const socat: Suite = {
  name: 'socat',
  needs: ['socat'],
  async run() {
    // It responds when it has all, so that the half-close must be passed on.
    const server = createServer({ allowHalfOpen: true }, async (socket) => {
      socket.on('error', () => {})
      const text = await socket.setEncoding('utf8').toArray()
      socket.end(`got ${text.join('')}`)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const datagrams = createSocket('udp4').on('message', (message, from) => {
      datagrams.send(`got ${message}`, from.port, from.address)
    })
    datagrams.bind(port, '127.0.0.1')
    await once(datagrams, 'listening')
    const edge = await startStreamEdge(port)
    try {
      const large = 'x'.repeat(4 * 1_048_576)
      const runs = [
        ['hello', `TCP:127.0.0.1:${edge.port}`, '-t20'],
        [large, `TCP:127.0.0.1:${edge.port}`, '-t20'],
        ['hello', `UDP:127.0.0.1:${edge.port}`, '-t2'],
      ] as const
      const problems: string[] = []
      for (const [input, address, wait] of runs) {
        const output = await runWith(input, 'socat', [wait, '-', address])
        if (output !== `got ${input}`) problems.push(`${address}: got ${output.length} bytes: ${output.slice(0, 50)}`)
      }
      return problems
    } finally {
      await edge.close()
      server.close()
      datagrams.close()
    }
  },
}

/** iperf3: a push in each direction, and both at once. Its control connection goes through the gateway too. */
export const iperf: Suite = {
  name: 'iperf',
  needs: ['iperf3'],
  async run() {
    const port = await freePort()
    const server = spawn('iperf3', ['-s', '--forceflush', '-p', String(port), '-B', '127.0.0.1'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await once(server.stdout, 'data')
    const edge = await startStreamEdge(port)
    const bytes = 512 * 1_048_576
    const problems: string[] = []
    for (const [name, ...flags] of [['to the service'], ['from the service', '-R'], ['four connections', '-P', '4']]) {
      const args = ['-c', '127.0.0.1', '-p', String(edge.port), '-n', String(bytes), '-J', ...flags]
      const { code, output } = await runProgram('iperf3', args)
      const received = Number(/"sum_received":\s*{[^}]*"bytes":\s*(\d+)/.exec(output)?.[1])
      const rate = Number(/"sum_received":\s*{[^}]*"bits_per_second":\s*([\d.e+]+)/.exec(output)?.[1])
      console.log(`  ${name}: ${(received / 1_048_576).toFixed(0)} MiB, ${(rate / 8 / 1_048_576).toFixed(0)} MiB/s`)
      // The last blocks may be on their way when the client stops.
      if (code !== 0 || !(received >= bytes * 0.95)) problems.push(`${name}: ${code} ${output.slice(-300)}`)
    }
    await edge.close()
    await stop(server)
    return problems
  },
}

/** dig: DNS over UDP and TCP, against BIND. */
export const dig: Suite = {
  name: 'dig',
  needs: ['dig'],
  async run() {
    const source = await obtainServer('dns', { own: true })
    if (!source) {
      console.log('  skipped: there is no DNS server')
      return []
    }
    const server = await startDns(source)
    const hosts = Array.from({ length: 100 }, (_, index) => `host${index} A 127.0.1.${index + 1}`)
    // A response that does not fit a datagram: dig asks again over TCP.
    await server.publish('edge.test', [...hosts, ...hosts.map((_, index) => `many A 127.0.2.${index + 1}`)])
    const edge = await startStreamEdge(server.port)
    const problems: string[] = []
    async function ask(name: string, wanted: (answers: readonly string[]) => boolean, ...flags: string[]): Promise<void> {
      const args = ['@127.0.0.1', '-p', String(edge.port), '+short', '+tries=3', '+time=3', ...flags, `${name}.edge.test`, 'A']
      const { code, output } = await runProgram('dig', args)
      if (code !== 0 || !wanted(output.trim().split('\n')))
        problems.push(`dig ${args.join(' ')}: ${code} ${output.slice(0, 200)}`)
    }
    for (let index = 0; index < hosts.length; index++)
      await ask(`host${index}`, ([answer]) => answer === `127.0.1.${index + 1}`, ...(index % 2 === 0 ? [] : ['+tcp']))
    await ask('many', (answers) => answers.length === hosts.length)
    await ask('missing', ([answer]) => answer === '')
    await edge.close()
    await server.close()
    return problems
  },
}

async function stop(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill()
  await exit
}
