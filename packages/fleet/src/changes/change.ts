import type { FleetChange, FleetModel } from '../model.ts'

/** A model without what is derived from several of them. */
export type ModelState = Omit<FleetModel, 'problems' | 'changes'>

/** A change without its id. */
export type Change = Omit<FleetChange, 'id'>

/** Two successive models. The first model has no previous one. */
export interface Step {
  readonly before: ModelState | undefined
  readonly after: ModelState
  /** Changes before this time are not of interest. */
  readonly oldest: number
}

/** Finds the changes of one kind between two models. */
export type Differ = (step: Step) => Iterable<Change>

/** Something that can change, with the time when it last did, if it says so itself. */
export interface Tracked<T> {
  readonly value: T
  /** By the clock of the reader. */
  readonly at?: number | undefined
}

/** Something before and after; one of both is absent if it is new, or was removed. */
export interface Difference<T> {
  readonly before: T | undefined
  readonly after: T | undefined
  readonly at: number
}

/**
 * Compares what two models have by key. In the first model, what says that it changed recently is a change too.
 *
 * @param collect returns what a model has, by key
 * @param isSame whether there was no change
 */
export function* differences<T>(
  { before, after, oldest }: Step,
  collect: (model: ModelState) => ReadonlyMap<string, Tracked<T>>,
  isSame: (a: T, b: T) => boolean,
): Iterable<Difference<T>> {
  const now = collectOnce(after, collect)
  const past = before && collectOnce(before, collect)
  for (const [key, { value, at }] of now) {
    const known = past?.get(key)
    if (known && isSame(known.value, value)) continue
    // A new model knows only that it is new to the reader, unless the thing has a time of its own.
    if (!past && (at === undefined || at < oldest)) continue
    yield { before: known?.value, after: value, at: timeOf(at, before?.at, after.at) }
  }
  for (const [key, { value }] of past ?? []) {
    if (!now.has(key)) yield { before: value, after: undefined, at: after.at }
  }
}

/** What was collected of a model: it is the later one of a step, and then the earlier one of the next. */
const collected = new WeakMap<ModelState, Map<unknown, unknown>>()

function collectOnce<T>(model: ModelState, collect: (model: ModelState) => T): T {
  const known = collected.get(model) ?? new Map<unknown, unknown>()
  collected.set(model, known)
  if (!known.has(collect)) known.set(collect, collect(model))
  return known.get(collect) as T
}

/** The time that a thing says, if it can be true: between the two models, give or take some seconds. */
function timeOf(at: number | undefined, before: number | undefined, after: number): number {
  const isPossible = at !== undefined && at <= after && at >= (before ?? 0) - 10_000
  return isPossible ? at : after
}
