import type { Fleet } from '@sd/fleet'

/** The part of a `Fleet` of `@sd/fleet` that the dashboard uses. */
export type DashboardFleet = Pick<Fleet, 'model' | 'watch' | 'explain' | 'ask' | 'change' | 'history'>
