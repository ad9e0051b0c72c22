import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificates } from '@sd/test-servers'
import { Edge } from './edge.ts'
import { runProgram, type Suite } from './suite.ts'

const text = 'hello from the service'

/** curl, nghttp and h2load, over each protocol. */
export const clients: Suite = {
  name: 'clients',
  needs: ['curl', 'nghttp', 'h2load'],
  async run() {
    const certificates = await createCertificates()
    const clear = await Edge.start()
    const secure = await Edge.start({ certificate: certificates.server })
    const folder = await mkdtemp(join(tmpdir(), 'gateway-'))
    const ca = join(folder, 'ca.pem')
    await writeFile(ca, certificates.ca)
    const http = `http://127.0.0.1:${clear.port}/`
    const https = `https://localhost:${secure.port}/`
    const version = ['-sS', '-w', ' HTTP/%{http_version}', '--max-time', '10']
    const load = ['-n', '5000', '-c', '5', '-m', '10']
    const runs: readonly (readonly [program: string, args: readonly string[], wanted: RegExp])[] = [
      ['curl', [...version, '--http1.1', http], /hello from the service\n HTTP\/1\.1/],
      ['curl', [...version, '--http2-prior-knowledge', http], /hello from the service\n HTTP\/2/],
      ['curl', [...version, '--http2-prior-knowledge', '-d', 'x='.repeat(30_000), http], /hello from the service\n HTTP\/2/],
      [
        'curl',
        [...version, '--http2', '--cacert', ca, '--resolve', `localhost:${secure.port}:127.0.0.1`, https],
        /service\n HTTP\/2/,
      ],
      ['curl', [...version, '--http1.1', '--cacert', ca, '--resolve', `localhost:${secure.port}:127.0.0.1`, https], /HTTP\/1\.1/],
      // An upgrade to h2c is not accepted (RFC 9113, 3.1): the response is one of HTTP/1.1.
      ['curl', [...version, '--http2', http], /hello from the service\n HTTP\/1\.1/],
      ['nghttp', ['-v', http], new RegExp(text)],
      ['nghttp', ['-v', '--no-verify-peer', `https://127.0.0.1:${secure.port}/`], new RegExp(text)],
      ['nghttp', ['-v', `${http}page`], /:path: \/style\.css[\s\S]*PUSH_PROMISE/],
      ['h2load', [...load, http], /5000 succeeded, 0 failed/],
      ['h2load', [...load, '--h1', http], /5000 succeeded, 0 failed/],
      ['h2load', [...load, `https://127.0.0.1:${secure.port}/`], /5000 succeeded, 0 failed/],
    ]
    const problems: string[] = []
    for (const [program, args, wanted] of runs) {
      const { code, output } = await runProgram(program, args)
      if (code !== 0 || !wanted.test(output))
        problems.push(`${program} ${args.join(' ').slice(0, 120)}: ${code} ${output.slice(-500)}`)
    }
    await Promise.all([clear.stop(), secure.stop(), rm(folder, { recursive: true })])
    return problems
  },
}
