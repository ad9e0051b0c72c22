import type { GatewayTable } from '@sd/gateway'
import type { PlainObject } from './rules/rule.ts'

/** A document whose fields have been checked, each by itself. */
export interface ShapedDocument extends GatewayTable {
  readonly services?: Readonly<Record<string, PlainObject>>
  readonly defaults?: PlainObject
  readonly register?: { readonly listener: string }
  readonly rateLimiters?: Readonly<Record<string, PlainObject>>
  readonly affinityKeys?: readonly string[]
  readonly workers?: number
  readonly plugins?: readonly string[]
}
