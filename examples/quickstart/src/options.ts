import { parseArgs } from 'node:util'
import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createLeastActiveBalancer } from '@sd/balancer-least-active'
import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import { type Balancer, invalidError } from '@sd/core'
import { type RegistryChoice, readRegistry, withoutSecrets } from './registry-choice.ts'

/** Settings of the run; every field is a command line option of the same name. */
export interface QuickstartOptions {
  /** Number of services. */
  readonly services: number
  /** Instances of each service at the start. */
  readonly instances: number
  /** Name of the balancer. */
  readonly balancer: BalancerName
  /** Calls per second, over all services. */
  readonly rate: number
  /** Duration of the calls, in seconds. */
  readonly duration: number
  /** First port; the instances take the following ones. 0 takes free ports. */
  readonly port: number
  /** The registry; absent for a registry in this process. */
  readonly registry: RegistryChoice | undefined
  /** Whether the dashboard is shown instead, with processes in which something goes wrong. */
  readonly dashboard: boolean
}

/** Values of `--balancer`. */
export type BalancerName = 'round-robin' | 'random' | 'weighted-round-robin' | 'consistent-hash' | 'least-active'

const balancers: Readonly<Record<BalancerName, () => Balancer>> = {
  'round-robin': createRoundRobinBalancer,
  random: createRandomBalancer,
  'weighted-round-robin': createWeightedRoundRobinBalancer,
  'consistent-hash': createConsistentHashBalancer,
  'least-active': createLeastActiveBalancer,
}

/** Creates a balancer by name. */
export function createBalancer(name: BalancerName): Balancer {
  return balancers[name]()
}

/** Maximum number of instances as processes. */
const mostProcesses = 50

const help = `Services register themselves, a client calls them by name; during this, one instance joins, one leaves and one is killed.

Usage: npm start -- [options]

  --services <n>     number of services, 1 to 20           (default 1)
  --instances <n>    instances of each service, 2 to 50    (default 3)
  --balancer <name>  ${Object.keys(balancers).join(', ')}
                                                           (default round-robin)
  --rate <n>         calls per second, 1 to 2000           (default 200)
  --duration <s>     seconds, 4 to 600                     (default 12, with --registry 24)
  --port <n>         first port; 0 takes free ports        (default 0)
  --registry <url>   consul://, etcd://, zookeeper:// or nacos://host:port; each instance is then
                     a separate process, at most ${mostProcesses}         (default in memory)
  --dashboard        instead: seven processes, three faults, and the dashboard to find and undo them;
                     --port is then that of the page      (default 7070)
  --help             this text
`

/** Parses the command line. @returns the options, or the help text for `--help` @throws SdError `SD_INVALID` naming the option */
export function readOptions(args: readonly string[]): QuickstartOptions | string {
  const { values } = parse(args)
  if (values.help) return help
  const balancer = values.balancer ?? 'round-robin'
  if (!Object.hasOwn(balancers, balancer))
    throw invalidError('--balancer', balancer, `one of ${Object.keys(balancers).join(', ')}`)
  const registry = values.registry === undefined ? undefined : readRegistry(values.registry)
  const services = readInteger('--services', values.services ?? '1', 1, 20)
  const instances = readInteger('--instances', values.instances ?? '3', 2, 50)
  if (registry && services * instances > mostProcesses) {
    throw invalidError('--instances', `${services} × ${instances}`, `at most ${mostProcesses} in all, because each is a process`)
  }
  return {
    services,
    instances,
    balancer: balancer as BalancerName,
    rate: readInteger('--rate', values.rate ?? '200', 1, 2_000),
    duration: readInteger('--duration', values.duration ?? (registry ? '24' : '12'), 4, 600),
    port: readInteger('--port', values.port ?? (values.dashboard ? '7070' : '0'), 0, 64_000),
    registry,
    dashboard: values.dashboard ?? false,
  }
}

interface RawOptions {
  readonly values: { readonly [K in Exclude<keyof QuickstartOptions, 'dashboard'>]?: string } & {
    readonly dashboard?: boolean
    readonly help?: boolean
  }
}

function parse(args: readonly string[]): RawOptions {
  const value = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        services: value,
        instances: value,
        balancer: value,
        rate: value,
        duration: value,
        port: value,
        registry: value,
        dashboard: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }) as RawOptions
  } catch (error) {
    const got = withoutSecrets(args.join(' '))
    throw invalidError('command line', got, `options as in --help (${withoutSecrets((error as Error).message)})`)
  }
}

function readInteger(option: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value
  throw invalidError(option, text, `an integer from ${min} to ${max}`)
}
