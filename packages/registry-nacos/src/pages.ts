import { SdError } from '@sd/core'

/** One page of a list, unchecked. */
export interface Page {
  /** Number of items on all pages. */
  readonly total: unknown
  /** Items of the page; should be an array. */
  readonly items: unknown
}

const pageSize = 500
/** More pages than any server has. */
const maxPages = 2_000

/**
 * Reads a list page by page. An item that moves between pages during the read may be missing or duplicated.
 *
 * @throws SdError `SD_MALFORMED` for a page without items
 */
export async function readPages<T>(read: (pageNo: number, pageSize: number) => Promise<Page>): Promise<readonly T[]> {
  const all: T[] = []
  for (let pageNo = 1; pageNo <= maxPages; pageNo++) {
    const { total, items } = await read(pageNo, pageSize)
    if (!Array.isArray(items)) throw new SdError('SD_MALFORMED', 'Nacos returned a page of services without a list of services')
    for (const item of items) all.push(item)
    if (items.length === 0 || all.length >= Number(total)) break
  }
  return all
}
