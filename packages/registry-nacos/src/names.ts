import { escapeName, unescapeName } from '@sd/core'

/** What Nacos takes as it is, colons of Dubbo's names included, and `~` not: it marks an escape. */
const plain = /^[A-Za-z0-9][\w.:-]*$/

/** The name that a service has in Nacos, which has no white space, no `@@` and no Chinese characters in names. */
export function toNacosName(service: string): string {
  return plain.test(service) ? service : escapeName(service)
}

/** The service of a name that Nacos lists, with or without its group (`group@@name`). */
export function fromNacosName(name: string): string {
  const separator = name.indexOf('@@')
  return unescapeName(separator < 0 ? name : name.slice(separator + 2))
}
