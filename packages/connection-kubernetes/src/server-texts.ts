// What the API server says with words alone. Its own errors have codes and reasons; refusals.integration.test.ts notices when it changes.

/** Whether etcd, behind the API server, takes no object of that size: the API server hands on its error, an exact identifier, with status 500. */
export function isTooLargeForEtcd(status: number, message: unknown): boolean {
  return status === 500 && message === 'etcdserver: request is too large'
}
