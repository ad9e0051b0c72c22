/** Counts the timers, sockets and similar resources that keep this process running. */
export function countResources(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate').length
}
