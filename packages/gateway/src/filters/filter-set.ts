import { guardListener } from '@sd/core'
import type { GatewayFilter } from './filter.ts'

/** The filters of a route, which close when neither a table nor an exchange uses them any more. */
export class FilterSet {
  readonly filters: readonly GatewayFilter[]
  #exchanges = 0
  #isRetired = false
  #isClosed = false

  constructor(filters: readonly GatewayFilter[]) {
    this.filters = filters
  }

  /** An exchange uses them. */
  acquire(): void {
    this.#exchanges++
  }

  /** An exchange has ended. */
  release(): void {
    this.#exchanges--
    this.#closeIfUnused()
  }

  /** No table uses them. Idempotent. */
  retire(): void {
    this.#isRetired = true
    this.#closeIfUnused()
  }

  #closeIfUnused(): void {
    if (!this.#isRetired || this.#exchanges > 0 || this.#isClosed) return
    this.#isClosed = true
    for (const filter of this.filters) if (filter.close) closeFilter(filter)
  }
}

const closeFilter = guardListener('close of a filter of the gateway', (filter: GatewayFilter) => filter.close?.())
