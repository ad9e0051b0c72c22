import type { ConfigHistory } from '@sd/config-history'
import type { ConfigEntry, WritableConfigSource } from '@sd/core'
import type { Screen } from './screen.ts'

/** Key of the shop's entry in the config center. */
export const shopKey = 'shop.json'

/** Changes the configuration from elsewhere. */
export interface Operator {
  /** The operator's own connection to the config center. */
  readonly source: WritableConfigSource
  /** Versions of the entry. */
  readonly history: ConfigHistory
  /** The current entry. */
  read(): Promise<ConfigEntry>
  /** Writes a value at a path such as `client.balancer`; `undefined` removes it. @returns the version that was written */
  set(path: string, value: unknown, comment: string): Promise<number>
  /** Writes a whole text. @returns the version that was written */
  write(content: string, comment: string): Promise<number>
}

type Tree = Record<string, unknown>

/** Creates an operator who reports every change on the screen. */
export function createOperator(source: WritableConfigSource, history: ConfigHistory, screen: Screen): Operator {
  async function read(): Promise<ConfigEntry> {
    const { entries } = await source.load()
    return entries.find(({ key }) => key === shopKey) as ConfigEntry
  }
  async function write(content: string, comment: string): Promise<number> {
    const { version } = await history.put(content, { comment })
    screen.deed(`version ${version} in the config center: ${comment}`)
    return version
  }
  return {
    source,
    history,
    read,
    write,
    async set(path, value, comment) {
      const { content } = await read()
      return write(formatShop(setAt(JSON.parse(content) as Tree, path.split('.'), value)), comment)
    },
  }
}

/** The text of an entry. */
export function formatShop(tree: object): string {
  return `${JSON.stringify(tree, undefined, 2)}\n`
}

function setAt(tree: Tree, [key = '', ...rest]: readonly string[], value: unknown): Tree {
  return { ...tree, [key]: rest.length === 0 ? value : setAt((tree[key] ?? {}) as Tree, rest, value) }
}
