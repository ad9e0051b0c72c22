import { z } from 'zod'

/** Settings of a service, and defaults for all services. */
interface SettingsConfig {
  readonly balancer: 'round-robin' | 'weighted-round-robin' | 'p2c'
  readonly timeoutMs: number
  readonly retry: { readonly maxAttempts: number; readonly backoffMs: number; readonly budgetRatio: number }
  readonly breaker: {
    readonly failureRate: number
    readonly minimumCalls: number
    readonly windowMs: number
    readonly openMs: number
  }
  readonly rateLimit: { readonly limit: number; readonly windowMs: number } | null
}

type Optional<T> = { readonly [Key in keyof T]?: T[Key] | undefined }

/** Settings of one service that differ. */
export type OverridesConfig = Optional<
  Omit<SettingsConfig, 'retry' | 'breaker'> & {
    readonly retry: Optional<SettingsConfig['retry']>
    readonly breaker: Optional<SettingsConfig['breaker']>
  }
>

/** The configuration of the client. */
export interface ClientConfig extends SettingsConfig {
  readonly token: string
  readonly services: Readonly<Record<string, OverridesConfig>>
}

/** The whole configuration of the shop. */
export interface ShopConfig {
  readonly client: ClientConfig
}

const balancerName = z.enum(['round-robin', 'weighted-round-robin', 'p2c'])
const milliseconds = z.int().min(1)

const retry = z.strictObject({
  maxAttempts: z.int().min(1).max(10),
  backoffMs: milliseconds,
  /** Maximum load added by retries, as a share of the calls. */
  budgetRatio: z.number().min(0).max(10),
})

const breaker = z.strictObject({
  failureRate: z.number().gt(0).max(1),
  minimumCalls: z.int().min(1),
  windowMs: milliseconds,
  openMs: milliseconds,
})

/** `null` means no limit. It is a value, so a higher source can remove a limit. */
const rateLimit = z.strictObject({ limit: z.int().min(1), windowMs: milliseconds }).nullable()

const settings = z.strictObject({ balancer: balancerName, timeoutMs: milliseconds, retry, breaker, rateLimit })

/** Settings of one service. Omitted ones are those of all services. */
const overrides = settings.extend({ retry: retry.partial(), breaker: breaker.partial() }).partial()

/** The schema. Its objects are strict, so that a misspelled name is rejected instead of ignored. */
export const shopSchema: z.ZodType<ShopConfig, ShopConfig> = z.strictObject({
  client: settings.extend({ token: z.string(), services: z.record(z.string(), overrides) }),
})

/** The lowest layer: defaults of the program. */
export const shopDefaults: { readonly client: Omit<ClientConfig, 'token'> } = {
  client: {
    balancer: 'round-robin',
    timeoutMs: 5_000,
    retry: { maxAttempts: 1, backoffMs: 20, budgetRatio: 0.2 },
    breaker: { failureRate: 0.5, minimumCalls: 10, windowMs: 10_000, openMs: 60_000 },
    rateLimit: null,
    services: {},
  },
}
