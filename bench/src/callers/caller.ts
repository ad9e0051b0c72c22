/** Sends a request and reads its response. */
export type Send = () => Promise<string>

/** Ports of the servers on loopback. */
export interface Ports {
  /** HTTP ports. */
  readonly http: readonly number[]
  /** Port of moleculer's TCP transport. */
  readonly moleculer: number
}

/** A way to call a service. */
export interface Caller {
  /** Name in the table. */
  readonly name: string
  /** Maximum CPU time relative to the first one. */
  readonly limit?: number
  /** Connects the caller. */
  readonly create: (ports: Ports) => Send | Promise<Send>
}
