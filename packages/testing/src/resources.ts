/** Number of timers, sockets and the like that keep this process busy. */
export function countResources(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate').length
}
