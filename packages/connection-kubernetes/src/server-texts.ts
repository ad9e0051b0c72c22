// Conditions that the API server reports only in its text. Its own errors have codes and reasons.
// refusals.integration.test.ts fails when the text changes.

/**
 * Whether etcd, behind the API server, refused an object because of its size. The API server passes on its error, an
 * exact identifier, with status 500.
 */
export function isTooLargeForEtcd(status: number, message: unknown): boolean {
  return status === 500 && message === 'etcdserver: request is too large'
}
