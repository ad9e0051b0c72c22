import { leaseNameOf, type Slice, serviceLabel } from './slices.ts'

/** The EndpointSlices of a namespace, by the label with the name of their service. */
export class SliceIndex {
  readonly #slices = new Map<string, Slice>()
  readonly #byLabel = new Map<string, Map<string, Slice>>()
  /** Labels whose slices changed since {@link SliceIndex.takeChanged}. */
  readonly #changed = new Set<string>()
  #hasLeases = false

  /** Whether there was ever a slice of a registration of this library. */
  get hasLeases(): boolean {
    return this.#hasLeases
  }

  /** Replaces all slices. */
  replace(items: readonly Slice[]): void {
    for (const slice of this.#slices.values()) this.#drop(slice)
    for (const slice of items) this.#put(slice)
  }

  /** Adds, replaces or removes a slice. */
  change(slice: Slice, isThere: boolean): void {
    const before = this.#slices.get(slice.metadata.name)
    if (before) this.#drop(before)
    if (isThere) this.#put(slice)
  }

  /** Marks the labels of slices whose lease changed. @param hasChanged given the name of a lease */
  markLeased(hasChanged: (lease: string) => boolean): void {
    for (const slice of this.#slices.values()) {
      const name = leaseNameOf(slice)
      if (name !== undefined && hasChanged(name)) this.#changed.add(labelOf(slice))
    }
  }

  /** Returns the labels whose slices changed since the last call. */
  takeChanged(): ReadonlySet<string> {
    const changed = new Set(this.#changed)
    this.#changed.clear()
    return changed
  }

  /** Returns the slices with one of the labels. @param labels absent for all */
  slicesOf(labels: Iterable<string> = this.#byLabel.keys()): readonly Slice[] {
    return [...labels].flatMap((label) => [...(this.#byLabel.get(label)?.values() ?? [])])
  }

  #put(slice: Slice): void {
    const label = labelOf(slice)
    const { name } = slice.metadata
    const group = this.#byLabel.get(label) ?? new Map<string, Slice>()
    this.#slices.set(name, slice)
    this.#byLabel.set(label, group.set(name, slice))
    this.#changed.add(label)
    if (leaseNameOf(slice) !== undefined) this.#hasLeases = true
  }

  #drop(slice: Slice): void {
    const label = labelOf(slice)
    const { name } = slice.metadata
    const group = this.#byLabel.get(label)
    this.#slices.delete(name)
    group?.delete(name)
    if (group?.size === 0) this.#byLabel.delete(label)
    this.#changed.add(label)
  }
}

function labelOf({ metadata }: Slice): string {
  return metadata.labels?.[serviceLabel] ?? ''
}
