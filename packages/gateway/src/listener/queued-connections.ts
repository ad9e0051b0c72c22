import { setImmediate as nextTurn } from 'node:timers/promises'

/** The system keeps 511 connections for a server, and Node.js accepts one in each turn of the event loop. */
const turnsToAccept = 512

/** Waits until the connections are accepted that wait in the system's queue: with the end of the server they would be reset. */
export async function acceptQueued(): Promise<void> {
  for (let turn = 0; turn < turnsToAccept; turn++) await nextTurn()
}
