import type { FleetModel } from '@sd/fleet'
import { eventually } from '@sd/testing'
import { expect } from 'vitest'
import type { DashboardWindow } from './dashboard-page.ts'
import { configKey, lockKey, usualMs } from './roles.ts'
import { configText, fleetLimitMs, type ShopFleet } from './shop-fleet.ts'
import type { Terminal } from './terminal.ts'

/** What an incident is about: an instance, or a version of the configuration. */
export interface Scene {
  /** The instance; empty if it is about none. */
  readonly instance: string
  /** The version that is restored; 0 if it is about none. */
  readonly version: number
}

/** An incident: how it begins, how it is found and undone in two ways, how that shows, and how the fleet is put back. */
export interface Incident {
  readonly name: string
  /** Begins it. @returns once it shows in a model of the fleet */
  begin(fleet: ShopFleet): Promise<Scene>
  byCommands(parts: { readonly fleet: ShopFleet; readonly terminal: Terminal; readonly scene: Scene }): Promise<void>
  byClicks(parts: { readonly fleet: ShopFleet; readonly window: DashboardWindow; readonly scene: Scene }): Promise<void>
  /** Waits until it is undone. */
  isUndone(fleet: ShopFleet, scene: Scene): Promise<void>
  /** Puts the fleet back as it was before. */
  end(fleet: ShopFleet, scene: Scene): Promise<void>
}

const reason = 'an incident of the test'

const slowInstance: Incident = {
  name: 'an instance ten times slower',
  async begin(fleet) {
    fleet.process('orders-2').answerAfter(10 * usualMs.orders)
    await fleet.until((model) => expect(rulesOf(model)).toContain('slow-instance'))
    return { instance: 'orders-2', version: 0 }
  },
  async byCommands({ terminal, fleet, scene: { instance } }) {
    const found = await terminal.sdctl('problems --over 5s')
    expect(found.out).toMatch(
      /orders-2 of orders is \d+(\.\d)? times as slow as its siblings; its own calls are not slower, so the time is its own/,
    )
    expect(await terminal.sdctl(`drain orders ${instance} --yes --reason "${reason}"`)).toMatchObject({ code: 0 })
    await isIdle(fleet, instance)
    const { out } = await terminal.sdctl('explain orders')
    expect(out).toMatch(/orders-2 .*gets nothing from .*draining/)
  },
  async byClicks({ window: { page, click, confirm } }) {
    const problem = page.locator('.problems').getByRole('link', { name: /^orders-2 of orders is .* the time is its own$/ })
    // In the first minute of a process, its calls before the incident are part of the mean.
    await problem.waitFor({ timeout: fleetLimitMs })
    await click(problem)
    await page.getByRole('heading', { name: 'orders-2', level: 1 }).waitFor()
    await page.getByText('its own calls are not slower, so the time is its own').first().waitFor()
    await click(page.getByRole('button', { name: 'Drain', exact: true }))
    await confirm('Drain', reason)
    await page.getByRole('dialog').press('Escape')
    await page.getByRole('button', { name: 'Undrain', exact: true }).waitFor()
  },
  isUndone: (fleet, { instance }) => isIdle(fleet, instance),
  async end(fleet, { instance }) {
    fleet.process(instance).answerAfter(usualMs.orders)
    await fleet.change(instance, '/draining', { draining: false, reason })
    const { requests } = await fleet.process(instance).counts()
    await eventually(
      async () => expect((await fleet.process(instance).counts()).requests).toBeGreaterThan(requests),
      fleetLimitMs,
    )
  },
}

const pushedValue: Incident = {
  name: 'a pushed value that opens a breaker',
  async begin(fleet) {
    const [last] = await fleet.history.history.list()
    await fleet.history.history.put(configText(1), { author: 'bob', comment: 'faster' })
    await fleet.until((model) =>
      expect(model.problems.map(({ text }) => text).join('\n')).toMatch(/sends? nothing to .*stock: the breaker is open/),
    )
    return { instance: '', version: last?.version ?? 0 }
  },
  async byCommands({ terminal, fleet, scene: { version } }) {
    const found = await terminal.sdctl('problems')
    expect(found.out).toMatch(/orders-\d.* sends? nothing to .*stock: the breaker is open/)
    expect(found.out).toMatch(/orders-\d: configuration orders\.yaml changed \d+ (s|ms) before/)
    const history = await terminal.sdctl(`config history ${configKey}`)
    expect(history.out).toMatch(new RegExp(`${version + 1} .* bob +put +faster +written ← live`))
    const undone = await terminal.sdctl(`config rollback ${configKey} ${version} --yes --reason "${reason}"`)
    expect(undone.out).toContain('sd.client.services.stock.attemptTimeoutMs  1 → 500')
    expect(undone.out).toContain('Adopted by 3 of 3 processes that read it')
    await areClosed(fleet)
    expect((await terminal.sdctl('problems')).out).not.toContain('the breaker is open')
  },
  async byClicks({ window: { page, click, confirm }, scene: { version } }) {
    await page
      .locator('.problems')
      .getByText(/sends? nothing to .*stock: the breaker is open$/)
      .first()
      .waitFor()
    await click(
      page
        .locator('.story')
        .getByRole('link', { name: /^orders-\d has version \d+ of configuration orders\.yaml$/ })
        .first(),
    )
    await click(page.getByRole('link', { name: configKey, exact: true }))
    await page.getByRole('row', { name: new RegExp(`^${version + 1} in effect .* bob put faster`) }).waitFor()
    await click(page.getByRole('button', { name: `Restore ${version}…` }))
    await page.getByRole('dialog').getByText('sd.client.services.stock.attemptTimeoutMs').waitFor()
    await confirm(`Restore version ${version}`, reason)
    await page.getByText(`${version + 2} in effect`, { exact: true }).waitFor()
  },
  async isUndone(fleet, { version }) {
    await areClosed(fleet)
    const [newest] = await fleet.history.history.list()
    expect(newest).toMatchObject({ version: version + 2, change: 'rollback', of: version, comment: reason })
  },
  async end(fleet, { version }) {
    const [newest] = await fleet.history.history.list()
    if (newest?.content !== configText(500)) await fleet.history.history.rollback(version, { comment: 'the test failed' })
    await areClosed(fleet)
  },
}

const pausedHolder: Incident = {
  name: 'the holder of a lock paused',
  async begin(fleet) {
    const instance = await fleet.holderOtherThan()
    await fleet.until(({ processes }) => expect(holdersOf(processes)).toEqual([instance]))
    fleet.process(instance).pause()
    return { instance, version: 0 }
  },
  async byCommands({ terminal, fleet, scene: { instance } }) {
    expect((await terminal.sdctl('locks')).out).toMatch(new RegExp(`^${lockKey} +${instance} `, 'm'))
    expect((await terminal.sdctl('processes')).out).toMatch(new RegExp(`^${instance} +silent`, 'm'))
    expect(await terminal.sdctl(`deregister orders ${instance} --yes --reason "${reason}"`)).toMatchObject({ code: 0 })
    const next = await fleet.holderOtherThan(instance)
    expect((await terminal.sdctl(`locks holder ${lockKey}`)).out).toMatch(new RegExp(`held by +${next}`))
  },
  async byClicks({ window: { page, click, confirm }, fleet, scene: { instance } }) {
    await click(page.locator('.problems').getByRole('link', { name: `The admin endpoint of ${instance} does not answer` }))
    await page.getByText(`${instance}, which held the lock etcd/${lockKey}, does not answer`).first().waitFor()
    await click(page.getByRole('button', { name: 'Deregister', exact: true }))
    await confirm('Deregister', reason)
    const next = await fleet.holderOtherThan(instance)
    await page.getByRole('dialog').press('Escape')
    await click(page.getByRole('navigation').getByRole('link', { name: 'Locks' }))
    await page.getByRole('row', { name: new RegExp(`^${lockKey} ${next} `) }).waitFor()
  },
  async isUndone(fleet, { instance }) {
    await fleet.holderOtherThan(instance)
    await fleet.until(({ services }) => expect(instancesOf(services)).not.toContain(instance))
  },
  async end(fleet, { instance }) {
    fleet.process(instance).resume()
    // It notices that it lost the lock, and registers its instance again.
    await fleet.until(({ services, processes }) => {
      expect(instancesOf(services)).toContain(instance)
      expect(holdersOf(processes)).not.toContain(instance)
    })
  },
}

/** The incidents. */
export const incidents: readonly Incident[] = [slowInstance, pushedValue, pausedHolder]

function rulesOf({ problems }: FleetModel): readonly string[] {
  return problems.map(({ rule }) => rule)
}

function instancesOf(services: FleetModel['services']): readonly string[] {
  return services.flatMap(({ service, instances }) => (service === 'orders' ? instances.map(({ instanceId }) => instanceId) : []))
}

/** Names of processes that hold the lock, as they say themselves. */
function holdersOf(processes: FleetModel['processes']): readonly string[] {
  return processes.filter(({ locks }) => locks.some(({ key }) => key === lockKey)).map(({ name }) => name)
}

/** Waits until an instance gets no request while its sibling gets some. */
async function isIdle(fleet: ShopFleet, instance: string): Promise<void> {
  const countOf = async (id: string): Promise<number> => (await fleet.process(id).counts()).requests
  await eventually(async () => {
    const [before, sibling] = await Promise.all([countOf(instance), countOf('orders-0')])
    await eventually(async () => expect(await countOf('orders-0')).toBeGreaterThan(sibling + 20), fleetLimitMs)
    expect(await countOf(instance)).toBe(before)
  }, fleetLimitMs)
}

/** Waits until no breaker is open, and no call of `shop` fails. */
async function areClosed(fleet: ShopFleet): Promise<void> {
  const shop = fleet.process('shop-0')
  await eventually(async () => {
    const before = await shop.counts()
    await eventually(async () => expect((await shop.counts()).good).toBeGreaterThan(before.good + 20), fleetLimitMs)
    expect((await shop.counts()).failed).toBe(before.failed)
  }, fleetLimitMs)
  await fleet.until((model) => expect(rulesOf(model)).not.toContain('breaker'))
}
