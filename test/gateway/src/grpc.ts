import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createGrpc } from '@sd/gateway-grpc'
import { createStaticRegistry } from '@sd/registry-static'
import { freePort, probePort, untilReady } from '@sd/test-servers'
import { runProgram, type Suite } from './suite.ts'

/** Those of https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md that need no credentials. */
const cases = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
]

const proto = `syntax = "proto3";
package grpc.testing;
message Payload { bytes body = 2; }
message SimpleRequest { int32 response_size = 2; Payload payload = 3; }
message SimpleResponse { Payload payload = 1; }
message ResponseParameters { int32 size = 1; }
message StreamingOutputCallRequest { repeated ResponseParameters response_parameters = 2; Payload payload = 3; }
message StreamingOutputCallResponse { Payload payload = 1; }
service TestService {
  rpc UnaryCall(SimpleRequest) returns (SimpleResponse);
  rpc FullDuplexCall(stream StreamingOutputCallRequest) returns (stream StreamingOutputCallResponse);
}
`

const healthProto = `syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse {
  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
  ServingStatus status = 1;
}
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
`

/** The interop server and client of grpc-go (`google.golang.org/grpc/interop/…`), grpcurl and ghz, through the gateway. */
export const grpc: Suite = {
  name: 'grpc',
  needs: ['grpc-interop-server', 'grpc-interop-client', 'grpcurl', 'ghz'],
  async run() {
    const servers = await Promise.all([startServer(), startServer()])
    const instances = servers.map(({ port }) => ({ service: 'interop', address: '127.0.0.1', port, protocol: 'grpc' }))
    const source = createStaticRegistry({ instances })
    const discovery = createDiscovery({ source })
    const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
    const forward = { service: 'interop' }
    const options = { health: { 'grpc.testing.TestService': 'interop' } }
    const gateway = await createGateway({
      client,
      discovery,
      protocols: [createGrpc({ discovery })],
      table: {
        listeners: [{ name: 'edge', address: '127.0.0.1:0', limits: { requestsPerConnection: 1_000_000 } }],
        routes: [{ name: 'interop', match: { protocol: 'grpc' }, forward, options }],
      },
    })
    const folder = await mkdtemp(join(tmpdir(), 'grpc-'))
    try {
      await writeFile(join(folder, 'test.proto'), proto)
      await writeFile(join(folder, 'health.proto'), healthProto)
      return await runAll(gateway.addresses[0]?.port ?? 0, folder)
    } finally {
      for (const { child } of servers) child.kill()
      await gateway.close()
      await client.close()
      await discovery.close()
      await rm(folder, { recursive: true })
    }
  },
}

async function runAll(port: number, folder: string): Promise<string[]> {
  const address = `127.0.0.1:${port}`
  const interop = ['-server_host=127.0.0.1', `-server_port=${port}`]
  const url = ['-plaintext', '-import-path', folder]
  const service = 'grpc.testing.TestService'
  const load = ['--insecure', '--import-paths', folder, '--proto', join(folder, 'test.proto'), '-c', '50', '--connections', '5']
  const message = JSON.stringify({ response_size: 64, payload: { body: 'a'.repeat(100) } })
  const large = JSON.stringify({ response_size: 4_000_000 })
  const stream = JSON.stringify({ response_parameters: [{ size: 10 }, { size: 20 }] })
  const runs: readonly (readonly [program: string, args: readonly string[], wanted: RegExp])[] = [
    ...cases.map((name) => ['grpc-interop-client', [...interop, `-test_case=${name}`], /^(?!.*panic|.*FAIL)/s] as const),
    ['grpcurl', [...url, '-proto', 'test.proto', '-d', message, address, `${service}/UnaryCall`], /"body": "A{80}/],
    ['grpcurl', [...url, '-proto', 'test.proto', '-d', large, address, `${service}/UnaryCall`], /"body": "A{1000}/],
    ['grpcurl', [...url, '-proto', 'test.proto', '-d', stream, address, `${service}/FullDuplexCall`], /"body"[\s\S]*"body"/],
    ['grpcurl', [...url, '-proto', 'health.proto', '-d', '{}', address, 'grpc.health.v1.Health/Check'], /"status": "SERVING"/],
    ['ghz', [...load, '-n', '20000', '--call', `${service}.UnaryCall`, '-d', message, address], /\[OK\]\s+20000 responses/],
    ['ghz', [...load, '-n', '2000', '--call', `${service}.FullDuplexCall`, '-d', stream, address], /\[OK\]\s+2000 responses/],
  ]
  const problems: string[] = []
  for (const [program, args, wanted] of runs) {
    const { code, output } = await runProgram(program, args)
    const [rate] = /Requests\/sec:.*/.exec(output) ?? []
    if (rate) console.log(`  ${program} ${args.at(-4)}: ${rate}`)
    if (code !== 0 || !wanted.test(output))
      problems.push(`${program} ${args.join(' ').slice(0, 150)}: ${code} ${output.slice(-500)}`)
  }
  return problems
}

interface InteropServer {
  readonly child: ChildProcess
  readonly port: number
}

async function startServer(): Promise<InteropServer> {
  const port = await freePort()
  const child = spawn('grpc-interop-server', [`-port=${port}`], { stdio: 'ignore' })
  await untilReady(
    () => probePort(port),
    20_000,
    () => child.exitCode !== null,
  )
  return { child, port }
}
