import { SdError } from '@sd/core'

/** One page of a list, as it came. */
export interface Page {
  /** How many there are on all pages. */
  readonly total: unknown
  /** An array. */
  readonly items: unknown
}

const pageSize = 500
/** More than any server holds. */
const maxPages = 2_000

/**
 * Reads a list page by page. What moves from page to page meanwhile may be missing, or there twice.
 *
 * @throws SdError `SD_MALFORMED` for a page without items
 */
export async function readPages<T>(read: (pageNo: number, pageSize: number) => Promise<Page>): Promise<readonly T[]> {
  const all: T[] = []
  for (let pageNo = 1; pageNo <= maxPages; pageNo++) {
    const { total, items } = await read(pageNo, pageSize)
    if (!Array.isArray(items)) throw new SdError('SD_MALFORMED', 'Nacos answered a page of services without services')
    for (const item of items) all.push(item)
    if (items.length === 0 || all.length >= Number(total)) break
  }
  return all
}
