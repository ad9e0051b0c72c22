import type { FleetProcess } from '../model.ts'

const longestName = 80

/** A name for a sentence; a long one is cut. */
export function short(name: string): string {
  return name.length > longestName ? `${name.slice(0, longestName)}…` : name
}

/** Names for a sentence: `a`, `a and b`, `a, b and 4 more`. */
export function list(names: readonly string[], max: number = 3): string {
  const unique = [...new Set(names)].map(short)
  const shown = unique.length > max ? [...unique.slice(0, max - 1), `${unique.length - max + 1} more`] : unique
  const last = shown.at(-1) ?? ''
  return shown.length < 2 ? last : `${shown.slice(0, -1).join(', ')} and ${last}`
}

/** Names of processes for a sentence. */
export function processes(all: readonly FleetProcess[], max?: number): string {
  return list(
    all.map(({ name }) => name),
    max,
  )
}

/** A number with its noun: `1 instance`, `2 instances`. */
export function many(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`
}

/** Whether one or several do something: `shop-0 sees`, `shop-0 and shop-1 see`. */
export function verb(subjects: number, plural: string): string {
  return subjects === 1 ? `${plural}s` : plural
}

/** A duration for a sentence: `900 ms`, `12 s`, `4 min`, `3 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

/** Milliseconds for a sentence: `4 ms`, `0.4 ms`. */
export function millis(ms: number): string {
  return `${ms >= 10 ? Math.round(ms) : Number(ms.toPrecision(2))} ms`
}

/** A text in quotes after a colon; nothing if there is none. */
export function quoted(text: string | undefined): string {
  return text ? `: "${text.slice(0, 200)}"` : ''
}

/** Puts items with the same key together, in the order of their first item. */
export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}
