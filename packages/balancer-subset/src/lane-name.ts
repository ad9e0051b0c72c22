/** Lower-case letters, digits, dots, dashes and underscores, up to 63: valid in a DNS label, a Kubernetes label and a metric. */
const pattern = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

/** Description of a lane's name in errors. */
export const laneNameWanted = '1 to 63 lower-case letters, digits, dots, dashes and underscores'

/** Whether a text is a valid lane name. Labels come from outside, so an invalid one is treated as no label. */
export function isLaneName(value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value)
}
