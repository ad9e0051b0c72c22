/** Lower-case letters, digits, dots, dashes and underscores, up to 63: what a DNS label, a Kubernetes label and a metric can have. */
const pattern = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

/** What names a lane. @default how errors describe it */
export const laneNameWanted = '1 to 63 lower-case letters, digits, dots, dashes and underscores'

/** Whether a text names a lane. Labels come from outside: what is not a name is not one at all. */
export function isLaneName(value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value)
}
