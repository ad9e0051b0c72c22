import { createEtcdConfigSource } from '@sd/config-etcd'
import { serveDashboard } from '@sd/dashboard'
import { createFleet } from '@sd/fleet'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { type OpenPage, openPage } from '@sd/test-browser'
import type { Browser, Locator } from 'playwright-core'
import { configKey, configPrefix } from './roles.ts'
import type { ShopFleet } from './shop-fleet.ts'

const token = 'a-token-of-24-characters'

/** The dashboard of a fleet. */
export interface ShopDashboard extends AsyncDisposable {
  /** Opens it in a window of its own: the overview is shown. */
  open(browser: Browser): Promise<DashboardWindow>
}

/** A window with the dashboard, whose clicks are counted. */
export interface DashboardWindow extends OpenPage, AsyncDisposable {
  /** Clicks so far, as what was clicked. */
  readonly clicks: readonly string[]
  /** Clicks, once the element can be clicked. */
  click(element: Locator): Promise<void>
  /** Types a reason into the open dialog, and clicks its button. */
  confirm(action: string, reason: string): Promise<void>
}

/** Serves the dashboard of a fleet. @param page folder of the built page */
export async function openDashboard(
  { etcd, history }: ShopFleet,
  options: { readonly page: URL; readonly write: boolean },
): Promise<ShopDashboard> {
  await using opened = new AsyncDisposableStack()
  const registry = opened.adopt(createEtcdRegistry({ servers: [etcd] }), (one) => one.close())
  const source = opened.adopt(createEtcdConfigSource({ servers: [etcd], prefix: configPrefix, name: 'etcd' }), (one) =>
    one.close(),
  )
  const fleet = opened.use(createFleet({ source: registry, intervalMs: 1_000 }))
  const server = opened.use(
    await serveDashboard({
      fleet,
      port: 0,
      authenticate: { kind: 'token', token },
      onAudit: () => undefined,
      configs: [{ source, histories: { [configKey]: history.history } }],
      registry,
      ...options,
    }),
  )
  const parts = opened.move()
  return {
    async open(browser) {
      const opened = await openPage(browser, { url: server.url, token })
      const clicks: string[] = []
      async function click(element: Locator): Promise<void> {
        await element.click()
        clicks.push(String(element))
      }
      return {
        ...opened,
        clicks,
        click,
        async confirm(action, reason) {
          const dialog = opened.page.getByRole('dialog')
          await dialog.getByLabel('Reason').fill(reason)
          await click(dialog.getByRole('button', { name: action, exact: true }))
          await dialog.getByText('Done.').waitFor()
        },
        [Symbol.asyncDispose]: () => opened.page.context().close(),
      }
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
