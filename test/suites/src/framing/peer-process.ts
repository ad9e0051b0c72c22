import { gatewayPeers } from './gateway-peer.ts'
import { nodePeers } from './node-peers.ts'

/** Runs one proxy for Node.js, and prints its port: `node src/framing/peer-process.ts <name> <front> <host> <port of the upstream>`. */
const [name, front, host = '', port] = process.argv.slice(2)
const peer = [...gatewayPeers, ...nodePeers].find((one) => one.name === name && one.front === front)
const running = await peer?.start({ host, port: Number(port) })
console.log(typeof running === 'object' ? running.address.port : running)
