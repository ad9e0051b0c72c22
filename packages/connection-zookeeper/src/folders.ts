import { SdError, type SdErrorOptions } from '@sd/core'
import { parentOf } from './paths.ts'
import type { ZooKeeperClient } from './zookeeper-client.ts'

/**
 * Creates a node without data, and its parents. @param chroot a path that is never created @throws SdError
 * `SD_NOT_FOUND` if the chroot does not exist
 */
export async function createFolder(connection: ZooKeeperClient, path: string, chroot: string): Promise<void> {
  if (path === chroot) throw missingChroot(chroot)
  if ((await connection.create(path)) !== 'no parent') return
  await createFolder(connection, parentOf(path), chroot)
  await connection.create(path)
}

/** Checks that the chroot exists. @throws SdError `SD_NOT_FOUND` */
export async function checkChroot(connection: ZooKeeperClient, chroot: string): Promise<void> {
  if (!(await connection.exists(chroot || '/'))) throw missingChroot(chroot, { retryable: true })
}

/** Returns the error for a chroot that an operator has to create first. */
export function missingChroot(chroot: string, options?: SdErrorOptions): SdError {
  return new SdError('SD_NOT_FOUND', `the chroot ${chroot} does not exist`, options)
}
