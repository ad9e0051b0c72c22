/** Size of the fleet. */
export interface FleetShape {
  readonly processes: number
  readonly services: number
}

/** Services that each process calls. */
const called = 5

/** The service of a process. */
export function serviceOf(index: number, { services }: FleetShape): string {
  return `service-${index % services}`
}

/** The services that a process calls, each with the ids of its instances. */
export function callsOf(
  index: number,
  { services, processes }: FleetShape,
): readonly { service: string; instances: readonly string[] }[] {
  return Array.from({ length: called }, (_, offset) => {
    const service = (index * 7 + offset * 13 + 1) % services
    const instances: string[] = []
    for (let other = service; other < processes; other += services) instances.push(`instance-${other}`)
    return { service: `service-${service}`, instances }
  })
}

/** An address of this machine for each process: all of 127.0.0.0/8 is. */
export function addressOf(index: number): string {
  return `127.1.${index >> 8}.${index & 255}`
}
