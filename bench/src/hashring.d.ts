declare module 'hashring' {
  /** The part of hashring that the benchmark uses. */
  export default class HashRing {
    constructor(servers: readonly string[], algorithm: string, options: Readonly<Record<string, number>>)
    get(key: string): string
  }
}
