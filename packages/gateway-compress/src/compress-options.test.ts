import { describe, expect, test } from 'vitest'
import { createCompressFilter } from './index.ts'

const create = (options: Readonly<Record<string, unknown>>) =>
  createCompressFilter()(options, { route: 'orders', path: 'routes[0].filters[0]' })

describe('the options', () => {
  test.each<[Readonly<Record<string, unknown>>, string]>([
    [{ encodings: [] }, 'encodings'],
    [{ encodings: ['lzma'] }, 'encodings[0]'],
    [{ encodings: 'gzip' }, 'encodings'],
    [{ levels: { gzip: 10 } }, 'levels.gzip'],
    [{ levels: { br: 12 } }, 'levels.br'],
    [{ levels: { zstd: 0 } }, 'levels.zstd'],
    [{ levels: { brotli: 4 } }, 'levels.brotli'],
    [{ minBytes: -1 }, 'minBytes'],
    [{ types: [] }, 'types'],
    [{ types: ['json'] }, 'types[0]'],
    [{ types: ['text/html; charset=utf-8'] }, 'types[0]'],
    [{ types: ['Text/HTML'] }, 'types[0]'],
    [{ types: ['*/*'] }, 'types[0]'],
    [{ excludeCookies: ['a=b'] }, 'excludeCookies[0]'],
    [{ excludeCookies: 'sid' }, 'excludeCookies'],
    [{ excludePaths: ['account'] }, 'excludePaths[0]'],
    [{ excludePaths: ['/account*'] }, 'excludePaths[0]'],
    [{ excludePaths: ['/a/*/b'] }, 'excludePaths[0]'],
    [{ decompress: true }, 'decompress'],
    [{ decompress: { maxRatio: 0 } }, 'decompress.maxRatio'],
    [{ decompress: { maxBytes: 0 } }, 'decompress.maxBytes'],
    [{ decompress: { encodings: ['identity'] } }, 'decompress.encodings[0]'],
    [{ decompress: { limit: 1 } }, 'decompress.limit'],
    [{ level: 6 }, 'level'],
  ])('%j are refused for %s', (options, field) => {
    expect(() => create(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('of the filter itself are checked', () => {
    expect(() => createCompressFilter({ concurrency: 0 })).toThrow(expect.objectContaining({ field: 'concurrency' }))
  })
})
