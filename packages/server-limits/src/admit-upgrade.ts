import type { Duplex } from 'node:stream'
import type { Admission } from './admission.ts'
import { refuseRaw } from './refuse.ts'

/**
 * Waits for the decision about an upgrade, and refuses it.
 *
 * @param onDecision receives the decision, unless the connection was closed
 */
export async function admitUpgrade(
  socket: Duplex,
  decision: Promise<Admission>,
  onDecision: (admission: Admission) => unknown,
): Promise<void> {
  // Without a listener, an error of the connection during the decision would end the process.
  const ignore = (): void => {}
  socket.on('error', ignore)
  const admission = await decision
  socket.off('error', ignore)
  if (socket.destroyed) {
    admission.settle({ ok: true })
    return
  }
  if (admission.refusal) refuseRaw(socket, admission.refusal)
  else socket.once('close', () => admission.settle({ ok: true }))
  onDecision(admission)
}
