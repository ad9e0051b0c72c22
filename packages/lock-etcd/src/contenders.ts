import type { EtcdConnection, KeyValues } from '@sd/connection-etcd'
import { createBackoff, type LockHolder, sleep } from '@sd/core'
import type { EtcdSession } from './session.ts'

/** Removes a contender's key, in the background while the session exists: the key would block all other contenders. */
export async function removeContender(connection: EtcdConnection, session: EtcdSession, ownKey: string): Promise<void> {
  const remove = (): Promise<boolean> =>
    connection
      .run((client) => client.delete().key(ownKey).exec())
      .then(
        () => true,
        () => false,
      )
  async function goOn(): Promise<void> {
    const backoff = createBackoff({ maxMs: 2_000 })
    do await sleep(backoff.next(), session.lost)
    while (!(await remove()))
  }
  if (!(await remove())) void goOn().catch(() => undefined)
}

/** Returns the oldest contender. */
function findFirst({ entries }: KeyValues): { readonly key: string; readonly holder: LockHolder } | undefined {
  let first: { key: string; holder: LockHolder } | undefined
  for (const [key, { text, createRevision }] of entries) {
    if (!first || createRevision < first.holder.token) first = { key, holder: { value: text, token: createRevision } }
  }
  return first
}

/** Returns the holder of the lock: the oldest contender. */
export function toHolder(all: KeyValues): LockHolder | undefined {
  return findFirst(all)?.holder
}

/** Returns the token of `ownKey` if it is the oldest. */
export function turnOf(all: KeyValues, ownKey: string): bigint | undefined {
  const first = findFirst(all)
  return first?.key === ownKey ? first.holder.token : undefined
}
