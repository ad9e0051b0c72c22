import type { OptionSpec } from '../command.ts'

/** Options of commands that read processes. */
export const fleetOptions: readonly OptionSpec[] = [
  { flags: '--processes <addresses>', description: 'admin endpoints that no registry lists: host:port,…' },
  {
    flags: '--allow-network <cidr>',
    description: 'another network whose addresses may be asked, besides loopback and private ones',
    isRepeatable: true,
  },
]

/** The same, for commands that show traffic. */
export const trafficOptions: readonly OptionSpec[] = [
  ...fleetOptions,
  { flags: '--over <time>', description: 'how long to count calls; 1s otherwise' },
]
