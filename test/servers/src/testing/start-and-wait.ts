import { startEtcd } from '../etcd.ts'
import { findServer } from '../sources.ts'

// A test process that will be killed: starts a server, prints where it is, and never exits on its own.
const source = await findServer('etcd', { own: true })
if (!source) throw new Error('no etcd')
const server = await startEtcd(source)
process.stdout.write(`${JSON.stringify({ port: server.port, folder: server.folder })}\n`)
setInterval(() => undefined, 60_000)
