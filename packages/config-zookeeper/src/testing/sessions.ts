import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

/** Ids of the sessions of a server on 127.0.0.1. */
export async function listSessions(port: number): Promise<readonly string[]> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write('dump')
  const [sets = ''] = (await text(socket)).split('ephemeral nodes dump')
  return [...new Set(sets.match(/0x[0-9a-f]{10,}/g))].sort()
}
