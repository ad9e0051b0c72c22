import { randomBytes } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Checks, createChecks } from './checks.ts'
import { toDocument } from './document.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { type Load, perSecond, startLoad, type Tally } from './load.ts'
import { type Instance, startInstance, toServicesFile } from './services.ts'

/** How a run is shown. */
export interface RunOptions {
  /** Whether the log of the gateway is shown. */
  readonly isVerbose: boolean
  readonly output: { write(text: string): unknown }
}

interface Stage {
  readonly gateway: GatewayProcess
  readonly load: Load
  readonly checks: Checks
  readonly instances: readonly Instance[]
  /** Replaces a file as a whole. */
  replace(name: string, content: string): Promise<void>
  heading(text: string): void
}

/** Runs the example. @returns whether all checks passed */
export async function runGatewayExample({ isVerbose, output }: RunOptions): Promise<boolean> {
  const write = (text: string): void => void output.write(text)
  const folder = await mkdtemp(join(tmpdir(), 'sd-gateway-'))
  const checks = createChecks(write)
  const instances = await startInstances()
  async function replace(name: string, content: string): Promise<void> {
    await writeFile(join(folder, `${name}.next`), content)
    await rename(join(folder, `${name}.next`), join(folder, name))
  }
  let gateway: GatewayProcess | undefined
  try {
    await replace('services.json', toServicesFile(instances))
    await replace('affinity.key', randomBytes(32).toString('hex'))
    await replace('gateway.yaml', toDocument({ canary: 10 }))
    write('sd-gateway run gateway.yaml, with three services behind it\n')
    gateway = await startGatewayProcess(folder, (line) => (isVerbose ? write(`        ${line}\n`) : undefined))
    write(`It listens on ${gateway.url}; metrics are at ${gateway.observe}/metrics\n`)
    const load = startLoad(`${gateway.url}/orders/1`)
    const stage: Stage = { gateway, load, checks, instances, replace, heading: (text) => write(`\n${text}\n`) }
    await routes(stage)
    await canary(stage)
    await sessions(stage)
    await reload(stage)
    await refused(stage)
    await killed(stage)
    await ended(stage)
    write(checks.summary())
    return checks.isPassed
  } finally {
    gateway?.kill()
    for (const instance of instances) instance.kill()
    await rm(folder, { recursive: true })
  }
}

function startInstances(): Promise<readonly Instance[]> {
  return Promise.all([
    startInstance('orders', 'orders-1'),
    startInstance('orders', 'orders-2'),
    startInstance('orders', 'orders-3', '2'),
    startInstance('carts', 'carts-1'),
    startInstance('carts', 'carts-2'),
    startInstance('carts', 'carts-3'),
    startInstance('users', 'users-1'),
  ])
}

interface Answer {
  readonly service: string
  readonly id: string
  readonly version: string
  readonly path: string
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<Answer & { readonly cookie: string | undefined }> {
  const response = await fetch(url, { headers })
  const answer = (await response.json()) as Answer
  return { ...answer, cookie: response.headers.getSetCookie()[0]?.split(';', 1)[0] }
}

async function routes({ gateway, checks, heading }: Stage): Promise<void> {
  heading('Routes lead to services by name')
  const user = await ask(`${gateway.url}/users/ada`)
  checks.add('a path is rewritten', user.service === 'users' && user.path === '/people/ada', `/users/ada became ${user.path}`)
  const missing = await fetch(`${gateway.url}/elsewhere`)
  checks.add(
    'a path without a route gets 404',
    missing.status === 404,
    `x-gateway-error: ${missing.headers.get('x-gateway-error')}`,
  )
}

async function canary({ gateway, load, checks, heading }: Stage): Promise<void> {
  heading(`A canary gets a tenth of ${perSecond} requests per second, and each request that asks for it`)
  const tally = await load.during(() => delay(2_000))
  checks.add('about 10 % go to version 2', isBetween(share(tally, '2'), 2, 25), `${share(tally, '2')} %`)
  const versions = new Set<string>()
  for (let index = 0; index < 10; index++) versions.add((await ask(`${gateway.url}/orders/1`, { 'x-preview': '1' })).version)
  checks.add('x-preview always gets version 2', [...versions].join() === '2', 'of 10 requests')
}

async function sessions({ gateway, checks, heading }: Stage): Promise<void> {
  heading('A session stays on its instance')
  const first = await ask(`${gateway.url}/carts/1`)
  const used = new Set<string>()
  for (let index = 0; index < 12; index++) used.add((await ask(`${gateway.url}/carts/1`, { cookie: first.cookie ?? '' })).id)
  const others = new Set<string>()
  for (let index = 0; index < 12; index++) others.add((await ask(`${gateway.url}/carts/1`)).id)
  checks.add('with the cookie, one instance', used.size === 1 && used.has(first.id), [...used].join(', '))
  checks.add('without it, all of them', others.size === 3, [...others].sort().join(', '))
  checks.add('the cookie names no address', !/127|carts/.test(first.cookie ?? '127'), `${first.cookie?.slice(0, 24)}…`)
}

async function reload({ gateway, load, checks, replace, heading }: Stage): Promise<void> {
  heading('The document changes under load: all of orders goes to version 2')
  const moving = await load.during(async () => {
    const applied = gateway.next('applied')
    await replace('gateway.yaml', toDocument({ canary: 100 }))
    await applied
  })
  const moved = await load.during(() => delay(500))
  checks.add('no request failed', moving.failures.length + moved.failures.length === 0, describe(moving, moved))
  checks.add('version 2 gets all of them', share(moved, '2') === 100, `${share(moved, '2')} %`)
}

async function refused({ gateway, load, checks, replace, heading }: Stage): Promise<void> {
  heading('A document with a mistake changes nothing')
  let message = ''
  const tally = await load.during(async () => {
    const event = gateway.next('refused')
    await replace('gateway.yaml', toDocument({ canary: 0 }, '  - { name: typo, foward: { service: orders } }\n'))
    message = (await event).message ?? ''
  })
  checks.add('it is refused with its place', message.includes('did you mean forward?'), message.split('?', 1)[0] ?? '')
  checks.add('the last valid one stays in effect', tally.failures.length === 0 && share(tally, '2') === 100, describe(tally))
  const applied = gateway.next('applied')
  await replace('gateway.yaml', toDocument({ canary: 0 }))
  await applied
}

async function killed({ load, checks, instances, heading }: Stage): Promise<void> {
  heading('An instance is killed, and the registry does not know')
  const tally = await load.during(async () => {
    await delay(300)
    instances[0]?.kill()
    await delay(1_500)
  })
  checks.add('no request failed', tally.failures.length === 0, describe(tally))
  const after = await load.during(() => delay(500))
  checks.add(
    'the other instance of version 1 gets all of them',
    after.byInstance.get('orders-2') === after.requests,
    describe(after),
  )
}

async function ended({ gateway, load, checks, heading }: Stage): Promise<void> {
  heading('SIGTERM under load')
  let code: Promise<number | null> | undefined
  const tally = await load.during(async () => {
    const draining = gateway.next('draining')
    code = gateway.end()
    await draining
    const { status } = await fetch(`${gateway.observe}/health/ready`)
    checks.add('it is not ready, so a load balancer sends no more', status === 503, `status ${status}`)
    await delay(300)
  })
  await load.stop()
  checks.add('no request failed', tally.failures.length === 0, describe(tally))
  checks.add('it ended by itself', (await code) === 0, `exit code ${await code}`)
}

/** Share of the responses of a version, in percent. */
function share({ byVersion }: Tally, version: string): number {
  const all = [...byVersion.values()].reduce((sum, count) => sum + count, 0)
  return Math.round(((byVersion.get(version) ?? 0) / Math.max(1, all)) * 100)
}

function isBetween(value: number, low: number, high: number): boolean {
  return value >= low && value <= high
}

function describe(...tallies: readonly Tally[]): string {
  const requests = tallies.reduce((sum, tally) => sum + tally.requests, 0)
  const failures = tallies.flatMap((tally) => tally.failures)
  return `${requests} requests, ${failures.length} failed${failures[0] ? `: ${failures[0]}` : ''}`
}
